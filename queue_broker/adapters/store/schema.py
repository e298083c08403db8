"""The tables. This file is the truth; a test holds the migrations against it.

A task is never a row: a group holds sets of task indexes as roaring bitmaps, and integer counts
beside them that CHECKs hold together. `jobs.number` is the lock of all that belongs to a job.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from headgate.lifecycle import State
from queue_broker.adapters.store.codec import Bitmap

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: SQLite numbers rows by itself only where the type is exactly INTEGER.
Number = BigInteger().with_variant(Integer, "sqlite")

#: One count a state, on jobs and on backlogs.
COUNTS = tuple(f"n_{state.lower()}" for state in State)
UNFINISHED = tuple(name for name in COUNTS if name not in {"n_succeeded", "n_failed"})


def number() -> Column[int]:
    return Column("number", Number, primary_key=True, autoincrement=True)


def counts(names: tuple[str, ...]) -> list[Column[int]]:
    return [Column(name, Integer, nullable=False, server_default=text("0")) for name in names]


def not_negative(names: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(" AND ".join(f"{name} >= 0" for name in names), name="not_negative")


def add_up(names: tuple[str, ...], total: str) -> CheckConstraint:
    return CheckConstraint(f"{' + '.join(names)} = {total}", name="add_up")


def where(condition: str, sqlite: str | None = None) -> dict[str, Any]:
    """A partial index's condition, in the words that queries get in each dialect."""
    return {"postgresql_where": text(condition), "sqlite_where": text(sqlite or condition)}


def of_job() -> Column[int]:
    key = ForeignKey("jobs.number", ondelete="CASCADE")
    return Column("job", Number, key, nullable=False)


#: As `JobRecord.state` has it: an array is PENDING until its last child ends, as in Batch.
JOB_STATE = (
    "CASE "
    + " ".join(f"WHEN n_{state.lower()} = size THEN '{state}'" for state in State)
    + " WHEN n_succeeded + n_failed = size THEN 'FAILED' ELSE 'PENDING' END"
)

jobs = Table(
    "jobs",
    metadata,
    number(),
    Column("job_id", Text, nullable=False, unique=True),
    Column("template", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("is_array", Boolean, nullable=False),
    #: False while the rows of a table sweep still come in; nobody sees such a job.
    Column("sealed", Boolean, nullable=False),
    #: The tenant at submission: a client token is unique within it, wherever the job is moved.
    Column("submitted_as", Text, nullable=False),
    Column("client_token", Text),
    Column("digest", Text, nullable=False),
    Column("submitted_at_s", Double, nullable=False),
    Column("started_at_s", Double),
    Column("finished_at_s", Double),
    Column("reason", Text),
    #: Leaks made so far; the next leak's name ends in it.
    Column("leaks", Integer, nullable=False, server_default=text("0")),
    *counts(COUNTS),
    Column("state", Text, Computed(JOB_STATE, persisted=True)),
    UniqueConstraint("client_token", "submitted_as"),
    not_negative(COUNTS),
    CheckConstraint(f"NOT sealed OR {' + '.join(COUNTS)} = size", name="add_up"),
    CheckConstraint("NOT sealed OR size > 0", name="has_tasks"),
    CheckConstraint(
        "finished_at_s IS NULL OR n_succeeded + n_failed = size", name="finished_when_finished"
    ),
    sqlite_autoincrement=True,
)
Index("ix_jobs_tenant_number", jobs.c.tenant, jobs.c.number)
Index("ix_jobs_state_number", jobs.c.state, jobs.c.number)
Index("ix_jobs_name_number", jobs.c.name, jobs.c.number)
Index("ix_jobs_queue_number", jobs.c.queue, jobs.c.number)
Index("ix_jobs_queue_state_number", jobs.c.queue, jobs.c.state, jobs.c.number)
Index("ix_jobs_finished_at_s", jobs.c.finished_at_s, **where("finished_at_s IS NOT NULL"))
Index("ix_jobs_open_table", jobs.c.submitted_at_s, **where("NOT sealed", "sealed = 0"))

TASK_SETS = ("waiting", "starting", "running", "succeeded", "failed")
GROUP_COUNTS = tuple(f"n_{name}" for name in TASK_SETS)

groups = Table(
    "groups",
    metadata,
    number(),
    of_job(),
    Column("attempt", Integer, nullable=False),
    #: What the tasks of a group share (`codec.shape_of`); empty before there is an estimate.
    Column("shape", Text, nullable=False),
    Column("estimate", Text),
    Column("tenant", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    #: Where the waiting tasks stand.
    Column("state", Text, nullable=False),
    Column("hold", Text),
    Column("queued_at_s", Double, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("0")),
    *(Column(name, Bitmap, nullable=False) for name in TASK_SETS),
    *counts(GROUP_COUNTS),
    Column("n_tasks", Integer, nullable=False),
    UniqueConstraint("job", "attempt", "shape", "state"),
    not_negative(GROUP_COUNTS),
    add_up(GROUP_COUNTS, "n_tasks"),
    CheckConstraint("state IN ('SUBMITTED', 'PENDING', 'RUNNABLE')", name="state"),
    CheckConstraint("(state = 'SUBMITTED') = (estimate IS NULL)", name="estimated"),
    CheckConstraint(
        "state = 'RUNNABLE' OR n_starting + n_running + n_succeeded = 0", name="ran_when_runnable"
    ),
    CheckConstraint("attempt >= 1", name="attempt"),
    sqlite_autoincrement=True,
)


Index(
    "ix_groups_gate",
    groups.c.tier,
    groups.c.tenant,
    groups.c.priority.desc(),
    groups.c.queued_at_s,
    groups.c.number,
    **where("state = 'RUNNABLE' AND n_waiting > 0"),
)
Index(
    "ix_groups_submitted",
    groups.c.tier,
    groups.c.number,
    **where("state = 'SUBMITTED' AND n_waiting > 0"),
)

leaks = Table(
    "leaks",
    metadata,
    number(),
    Column("name", Text, nullable=False, unique=True),
    of_job(),
    Column("group", Number, ForeignKey("groups.number", ondelete="CASCADE"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("lane", Text, nullable=False),
    Column("allocation", Text, nullable=False),
    Column("tasks", Bitmap, nullable=False),
    Column("open", Bitmap, nullable=False),
    Column("running", Bitmap, nullable=False),
    Column("cancelling", Bitmap, nullable=False),
    Column("cancel_reason", Text),
    *counts(("n_tasks", "n_open", "n_running")),
    Column("first", Integer, nullable=False),
    Column("last", Integer, nullable=False),
    Column("engine_id", Text),
    Column("created_at_s", Double, nullable=False),
    Column("handed_over_at_s", Double),
    Column("closed_at_s", Double),
    CheckConstraint(
        "0 <= n_running AND n_running <= n_open AND n_open <= n_tasks AND n_tasks > 0",
        name="nested",
    ),
    CheckConstraint("(n_open = 0) = (closed_at_s IS NOT NULL)", name="closed_when_empty"),
    CheckConstraint("(engine_id IS NULL) = (handed_over_at_s IS NULL)", name="handed_over"),
    sqlite_autoincrement=True,
)
Index("ix_leaks_open", leaks.c.number, **where("n_open > 0"))
Index("ix_leaks_job_number", leaks.c.job, leaks.c.number)
Index("ix_leaks_group", leaks.c.group)

starts = Table(
    "starts",
    metadata,
    number(),
    Column("leak", Number, ForeignKey("leaks.number", ondelete="CASCADE"), nullable=False),
    Column("tasks", Bitmap, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
Index("ix_starts_leak", starts.c.leak)

outcomes = Table(
    "outcomes",
    metadata,
    number(),
    Column("leak", Number, ForeignKey("leaks.number", ondelete="CASCADE"), nullable=False),
    of_job(),
    Column("tasks", Bitmap, nullable=False),
    Column("n_tasks", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("exported", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("n_tasks > 0", name="not_empty"),
    sqlite_autoincrement=True,
)
Index("ix_outcomes_leak", outcomes.c.leak)
Index("ix_outcomes_unexported", outcomes.c.number, **where("NOT exported", "exported = 0"))
Index("ix_outcomes_job", outcomes.c.job)

#: Why tasks failed while they waited: of these no attempt says it.
failures = Table(
    "failures",
    metadata,
    number(),
    of_job(),
    Column("reason", Text, nullable=False),
    Column("tasks", Bitmap, nullable=False),
)
Index("ix_failures_job", failures.c.job)

chunks = Table(
    "chunks",
    metadata,
    Column(
        "job",
        Number,
        ForeignKey("jobs.number", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("first", Integer, primary_key=True, autoincrement=False),
    Column("rows", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    CheckConstraint("first >= 0 AND rows > 0", name="span"),
)

dependencies = Table(
    "dependencies",
    metadata,
    number(),
    of_job(),
    Column("on_job", Number, ForeignKey("jobs.number", ondelete="CASCADE"), nullable=False),
    Column("type", Text),
    #: Something moved since this was last looked at.
    Column("ripe", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("type IN ('N_TO_N', 'SEQUENTIAL')", name="type"),
    CheckConstraint("job <> on_job OR type = 'SEQUENTIAL'", name="not_on_itself"),
)
Index("ix_dependencies_job", dependencies.c.job)
Index("ix_dependencies_on_job", dependencies.c.on_job)
Index("ix_dependencies_ripe", dependencies.c.job, **where("ripe", "ripe = 1"))

tenants = Table(
    "tenants",
    metadata,
    Column("name", Text, primary_key=True),
    #: What was set, as JSON; null for one that was only seen on a job.
    Column("settings", Text),
)

backlogs = Table(
    "backlogs",
    metadata,
    Column("tier", Text, primary_key=True),
    Column("tenant", Text, primary_key=True),
    *counts(UNFINISHED),
    not_negative(UNFINISHED),
)

#: Small things kept by name: job definitions by revision, queues, access keys, changed tags.
documents = Table(
    "documents",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("body", Text, nullable=False),
    CheckConstraint("revision >= 0 AND version > 0", name="numbers"),
)
