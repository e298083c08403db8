"""The first schema: jobs, groups, leaks, outcomes, tables, dependencies, tenants, backlogs."""

# ruff: noqa: E501  (conditions are compared with the database's own text, line by line)

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    tenants()
    backlogs()
    jobs()
    groups()
    leaks()
    starts()
    outcomes()
    chunks()
    dependencies()


def tenants() -> None:
    op.create_table(
        "tenants",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("weight", sa.Double(), server_default=sa.text("(1.0)"), nullable=False),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.CheckConstraint("weight > 0", name=op.f("ck_tenants_weight")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tenants")),
    )


def backlogs() -> None:
    op.create_table(
        "backlogs",
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("n_submitted", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_pending", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_runnable", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_starting", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_running", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "n_submitted >= 0 AND n_pending >= 0 AND n_runnable >= 0 AND n_starting >= 0 AND n_running >= 0",
            name=op.f("ck_backlogs_not_negative"),
        ),
        sa.PrimaryKeyConstraint("tier", "tenant", name=op.f("pk_backlogs")),
    )


def jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("is_array", sa.Boolean(), nullable=False),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.Column("submitted_as", sa.Text(), nullable=False),
        sa.Column("client_token", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("submitted_at_s", sa.Double(), nullable=False),
        sa.Column("started_at_s", sa.Double(), nullable=True),
        sa.Column("finished_at_s", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("leaks", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_submitted", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_pending", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_runnable", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_starting", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_running", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_succeeded", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "state",
            sa.Text(),
            sa.Computed(
                "CASE WHEN n_submitted = size THEN 'SUBMITTED' WHEN n_pending = size THEN 'PENDING' WHEN n_runnable = size THEN 'RUNNABLE' WHEN n_starting = size THEN 'STARTING' WHEN n_running = size THEN 'RUNNING' WHEN n_succeeded = size THEN 'SUCCEEDED' WHEN n_failed = size THEN 'FAILED' WHEN n_succeeded + n_failed = size THEN 'FAILED' ELSE 'PENDING' END",
                persisted=True,
            ),
            nullable=True,
        ),
        sa.CheckConstraint(
            "NOT sealed OR n_submitted + n_pending + n_runnable + n_starting + n_running + n_succeeded + n_failed = size",
            name=op.f("ck_jobs_add_up"),
        ),
        sa.CheckConstraint("NOT sealed OR size > 0", name=op.f("ck_jobs_has_tasks")),
        sa.CheckConstraint(
            "finished_at_s IS NULL OR n_succeeded + n_failed = size",
            name=op.f("ck_jobs_finished_when_finished"),
        ),
        sa.CheckConstraint(
            "n_submitted >= 0 AND n_pending >= 0 AND n_runnable >= 0 AND n_starting >= 0 AND n_running >= 0 AND n_succeeded >= 0 AND n_failed >= 0",
            name=op.f("ck_jobs_not_negative"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_jobs")),
        sa.UniqueConstraint("job_id", name=op.f("uq_jobs_job_id")),
        sa.UniqueConstraint(
            "client_token", "submitted_as", name=op.f("uq_jobs_client_token_submitted_as")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_jobs_finished_at_s",
        "jobs",
        ["finished_at_s"],
        unique=False,
        postgresql_where=sa.text("finished_at_s IS NOT NULL"),
        sqlite_where=sa.text("finished_at_s IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_open_table",
        "jobs",
        ["submitted_at_s"],
        unique=False,
        postgresql_where=sa.text("NOT sealed"),
        sqlite_where=sa.text("sealed = 0"),
    )
    op.create_index("ix_jobs_name_number", "jobs", ["name", "number"], unique=False)
    op.create_index("ix_jobs_state_number", "jobs", ["state", "number"], unique=False)
    op.create_index("ix_jobs_tenant_number", "jobs", ["tenant", "number"], unique=False)


def groups() -> None:
    op.create_table(
        "groups",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("job", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("shape", sa.Text(), nullable=False),
        sa.Column("estimate", sa.Text(), nullable=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("hold", sa.Text(), nullable=True),
        sa.Column("queued_at_s", sa.Double(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("waiting", sa.LargeBinary(), nullable=False),
        sa.Column("starting", sa.LargeBinary(), nullable=False),
        sa.Column("running", sa.LargeBinary(), nullable=False),
        sa.Column("succeeded", sa.LargeBinary(), nullable=False),
        sa.Column("failed", sa.LargeBinary(), nullable=False),
        sa.Column("n_waiting", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_starting", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_running", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_succeeded", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_tasks", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(state = 'SUBMITTED') = (estimate IS NULL)", name=op.f("ck_groups_estimated")
        ),
        sa.CheckConstraint(
            "state = 'RUNNABLE' OR n_starting + n_running + n_succeeded = 0",
            name=op.f("ck_groups_ran_when_runnable"),
        ),
        sa.CheckConstraint(
            "state IN ('SUBMITTED', 'PENDING', 'RUNNABLE')", name=op.f("ck_groups_state")
        ),
        sa.CheckConstraint("attempt >= 1", name=op.f("ck_groups_attempt")),
        sa.CheckConstraint(
            "n_waiting + n_starting + n_running + n_succeeded + n_failed = n_tasks",
            name=op.f("ck_groups_add_up"),
        ),
        sa.CheckConstraint(
            "n_waiting >= 0 AND n_starting >= 0 AND n_running >= 0 AND n_succeeded >= 0 AND n_failed >= 0",
            name=op.f("ck_groups_not_negative"),
        ),
        sa.ForeignKeyConstraint(
            ["job"], ["jobs.number"], name=op.f("fk_groups_job"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_groups")),
        sa.UniqueConstraint(
            "job", "attempt", "shape", "state", name=op.f("uq_groups_job_attempt_shape_state")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_groups_gate",
        "groups",
        ["tier", "tenant", sa.literal_column("priority DESC"), "queued_at_s", "number"],
        unique=False,
        postgresql_where=sa.text("state = 'RUNNABLE' AND n_waiting > 0"),
        sqlite_where=sa.text("state = 'RUNNABLE' AND n_waiting > 0"),
    )
    op.create_index(
        "ix_groups_submitted",
        "groups",
        ["number"],
        unique=False,
        postgresql_where=sa.text("state = 'SUBMITTED' AND n_waiting > 0"),
        sqlite_where=sa.text("state = 'SUBMITTED' AND n_waiting > 0"),
    )


def leaks() -> None:
    op.create_table(
        "leaks",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("job", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("group", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("allocation", sa.Text(), nullable=False),
        sa.Column("tasks", sa.LargeBinary(), nullable=False),
        sa.Column("open", sa.LargeBinary(), nullable=False),
        sa.Column("running", sa.LargeBinary(), nullable=False),
        sa.Column("cancelling", sa.LargeBinary(), nullable=False),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("n_tasks", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_open", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_running", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("engine_id", sa.Text(), nullable=True),
        sa.Column("created_at_s", sa.Double(), nullable=False),
        sa.Column("handed_over_at_s", sa.Double(), nullable=True),
        sa.Column("closed_at_s", sa.Double(), nullable=True),
        sa.CheckConstraint(
            "(engine_id IS NULL) = (handed_over_at_s IS NULL)", name=op.f("ck_leaks_handed_over")
        ),
        sa.CheckConstraint(
            "(n_open = 0) = (closed_at_s IS NOT NULL)", name=op.f("ck_leaks_closed_when_empty")
        ),
        sa.CheckConstraint(
            "0 <= n_running AND n_running <= n_open AND n_open <= n_tasks AND n_tasks > 0",
            name=op.f("ck_leaks_nested"),
        ),
        sa.ForeignKeyConstraint(
            ["group"], ["groups.number"], name=op.f("fk_leaks_group"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["job"], ["jobs.number"], name=op.f("fk_leaks_job"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_leaks")),
        sa.UniqueConstraint("name", name=op.f("uq_leaks_name")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_leaks_group", "leaks", ["group"], unique=False)
    op.create_index("ix_leaks_job_number", "leaks", ["job", "number"], unique=False)
    op.create_index(
        "ix_leaks_open",
        "leaks",
        ["number"],
        unique=False,
        postgresql_where=sa.text("n_open > 0"),
        sqlite_where=sa.text("n_open > 0"),
    )


def starts() -> None:
    op.create_table(
        "starts",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("leak", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tasks", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["leak"], ["leaks.number"], name=op.f("fk_starts_leak"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_starts")),
    )
    op.create_index("ix_starts_leak", "starts", ["leak"], unique=False)


def outcomes() -> None:
    op.create_table(
        "outcomes",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("leak", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tasks", sa.LargeBinary(), nullable=False),
        sa.Column("n_tasks", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("exported", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("n_tasks > 0", name=op.f("ck_outcomes_not_empty")),
        sa.ForeignKeyConstraint(
            ["job"], ["jobs.number"], name=op.f("fk_outcomes_job"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["leak"], ["leaks.number"], name=op.f("fk_outcomes_leak"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_outcomes")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outcomes_job", "outcomes", ["job"], unique=False)
    op.create_index("ix_outcomes_leak", "outcomes", ["leak"], unique=False)
    op.create_index(
        "ix_outcomes_unexported",
        "outcomes",
        ["number"],
        unique=False,
        postgresql_where=sa.text("NOT exported"),
        sqlite_where=sa.text("exported = 0"),
    )


def chunks() -> None:
    op.create_table(
        "chunks",
        sa.Column(
            "job",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("first", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("first >= 0 AND rows > 0", name=op.f("ck_chunks_span")),
        sa.ForeignKeyConstraint(
            ["job"], ["jobs.number"], name=op.f("fk_chunks_job"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job", "first", name=op.f("pk_chunks")),
    )


def dependencies() -> None:
    op.create_table(
        "dependencies",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("job", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("on_job", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("ripe", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "job <> on_job OR type = 'SEQUENTIAL'", name=op.f("ck_dependencies_not_on_itself")
        ),
        sa.CheckConstraint("type IN ('N_TO_N', 'SEQUENTIAL')", name=op.f("ck_dependencies_type")),
        sa.ForeignKeyConstraint(
            ["job"], ["jobs.number"], name=op.f("fk_dependencies_job"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["on_job"], ["jobs.number"], name=op.f("fk_dependencies_on_job"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_dependencies")),
    )
    op.create_index("ix_dependencies_job", "dependencies", ["job"], unique=False)
    op.create_index("ix_dependencies_on_job", "dependencies", ["on_job"], unique=False)
    op.create_index(
        "ix_dependencies_ripe",
        "dependencies",
        ["job"],
        unique=False,
        postgresql_where=sa.text("ripe"),
        sqlite_where=sa.text("ripe = 1"),
    )
