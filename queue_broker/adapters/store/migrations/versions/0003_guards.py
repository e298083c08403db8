"""Triggers that refuse illegal moves."""

# ruff: noqa: E501  (conditions are compared with the database's own text, line by line)

from alembic import op

revision = "0003"
down_revision = "0002"

FUNCTION = """CREATE FUNCTION headgate_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'check_violation'; END $$"""

GUARDS = (
    ("groups_state_forward", "groups", "(OLD.state = 'RUNNABLE' AND NEW.state <> 'RUNNABLE') OR (OLD.state = 'PENDING' AND NEW.state = 'SUBMITTED')", "waiting tasks go from SUBMITTED over PENDING to RUNNABLE, never back"),
    ("groups_succeeded_final", "groups", "NEW.n_succeeded < OLD.n_succeeded", "SUCCEEDED is final"),
    ("jobs_size_fixed", "jobs", "OLD.sealed AND (NOT NEW.sealed OR NEW.size <> OLD.size OR NEW.job_id <> OLD.job_id)", "a job that was accepted keeps its id and its size"),
    ("leaks_only_close", "leaks", "NEW.n_open > OLD.n_open OR NEW.name <> OLD.name OR NEW.n_tasks <> OLD.n_tasks", "a leak only closes, and keeps its name and its tasks"),
    ("leaks_taken_once", "leaks", "OLD.engine_id IS NOT NULL AND (NEW.engine_id IS NULL OR NEW.engine_id <> OLD.engine_id)", "a leak is taken by an engine once"),
)  # fmt: skip


def upgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    if postgres:
        op.execute(FUNCTION)
    for name, table, condition, message in GUARDS:
        head = f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW"
        if postgres:
            op.execute(f"{head} WHEN ({condition}) EXECUTE FUNCTION headgate_refuse('{message}')")
        else:
            op.execute(f"{head} WHEN {condition} BEGIN SELECT RAISE(ABORT, '{message}'); END")
