"""Moves that the database itself refuses, by triggers: those that only old and new rows show.

What one row shows is a CHECK in `schema.py`. Both are the last line: the code never asks for what
they forbid, and if it ever does, the transaction fails rather than the books.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guard:
    """No UPDATE of the table may meet `condition`, which both dialects understand."""

    name: str
    table: str
    condition: str
    message: str

    def statement(self, dialect: str) -> str:
        head = f"CREATE TRIGGER {self.name} BEFORE UPDATE ON {self.table} FOR EACH ROW"
        if dialect == "postgresql":
            return (
                f"{head} WHEN ({self.condition}) EXECUTE FUNCTION headgate_refuse('{self.message}')"
            )
        return f"{head} WHEN {self.condition} BEGIN SELECT RAISE(ABORT, '{self.message}'); END"


#: PostgreSQL's triggers need a function to call; it says what the trigger tells it.
POSTGRES_FUNCTION = """
CREATE FUNCTION headgate_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'check_violation'; END $$
"""

GUARDS = (
    Guard(
        "groups_state_forward",
        "groups",
        "(OLD.state = 'RUNNABLE' AND NEW.state <> 'RUNNABLE') "
        "OR (OLD.state = 'PENDING' AND NEW.state = 'SUBMITTED')",
        "waiting tasks go from SUBMITTED over PENDING to RUNNABLE, never back",
    ),
    Guard(
        "groups_succeeded_final",
        "groups",
        "NEW.n_succeeded < OLD.n_succeeded",
        "SUCCEEDED is final",
    ),
    Guard(
        "jobs_size_fixed",
        "jobs",
        "OLD.sealed AND (NOT NEW.sealed OR NEW.size <> OLD.size OR NEW.job_id <> OLD.job_id)",
        "a job that was accepted keeps its id and its size",
    ),
    Guard(
        "leaks_only_close",
        "leaks",
        "NEW.n_open > OLD.n_open OR NEW.name <> OLD.name OR NEW.n_tasks <> OLD.n_tasks",
        "a leak only closes, and keeps its name and its tasks",
    ),
    Guard(
        "leaks_taken_once",
        "leaks",
        "OLD.engine_id IS NOT NULL AND (NEW.engine_id IS NULL OR NEW.engine_id <> OLD.engine_id)",
        "a leak is taken by an engine once",
    ),
)


def statements(dialect: str) -> list[str]:
    """All that a database of this dialect needs."""
    function = [POSTGRES_FUNCTION.strip()] if dialect == "postgresql" else []
    return function + [guard.statement(dialect) for guard in GUARDS]
