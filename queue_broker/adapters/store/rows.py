"""Rows of the database as the broker's records, and the SELECTs that bring what they need."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, select

from headgate.lifecycle import State
from queue_broker.adapters.store import codec
from queue_broker.adapters.store.schema import COUNTS, backlogs, groups, jobs, leaks
from queue_broker.adapters.store.working import COUNT_OF
from queue_broker.records import Backlog, Group, GroupId, JobId, JobRecord, Leak, LeakId

SHARED = (jobs.c.job_id, jobs.c.template, jobs.c.size, jobs.c.is_array, jobs.c.parameters)
#: In the order of the fields of `Group` that they fill: thousands of rows a second pass here. Of
#: the sets only `waiting` is read.
GROUP = [
    *(groups.c.number, jobs.c.job_id, jobs.c.template),
    *(groups.c[name] for name in ("tenant", "tier", "priority", "attempt", "state", "waiting")),
    *(groups.c.version, groups.c.queued_at_s, jobs.c.size, jobs.c.is_array, jobs.c.parameters),
    *(groups.c.estimate, groups.c.hold),
]
LEAK = [column for column in leaks.c if column.name not in {"job", "first", "last"}]
#: In the order that `to_job` reads, the counts in that of the states.
JOB = [
    *SHARED,
    *(jobs.c[name] for name in ("number", "tenant", "tier", "priority", "submitted_at_s")),
    *(jobs.c[name] for name in ("started_at_s", "finished_at_s", "reason", *COUNTS)),
]


@cache
def select_groups() -> Select[Any]:
    return select(*GROUP).join(jobs, groups.c.job == jobs.c.number)


def to_group(row: Row[Any]) -> Group:
    """From a row that begins with the columns of `GROUP`."""
    read: tuple[Any, ...] = tuple(row)
    number, job_id, template, tenant, tier, priority, attempt, state, waiting = read[:9]
    version, queued_at_s, size, array, parameters, estimate, hold = read[9:16]
    return Group(
        GroupId(number),
        JobId(job_id),
        codec.load_job(template),
        tenant,
        tier,
        priority,
        attempt,
        State(state),
        waiting,
        version,
        queued_at_s,
        size,
        array,
        codec.load_parameters(parameters),
        codec.load_estimate(estimate),
        hold,
    )


@cache
def select_leaks() -> Select[Any]:
    query = select(*LEAK, groups.c.tenant, groups.c.tier, groups.c.estimate, *SHARED)
    return query.join(groups, leaks.c.group == groups.c.number).join(
        jobs, leaks.c.job == jobs.c.number
    )


def to_leak(row: Row[Any]) -> Leak:
    return Leak(
        leak_id=LeakId(row.number),
        name=row.name,
        group_id=GroupId(row.group),
        job_id=JobId(row.job_id),
        job=codec.load_job(row.template),
        tenant=row.tenant,
        tier=row.tier,
        attempt=row.attempt,
        lane=row.lane,
        allocation=codec.load_resources(row.allocation),
        tasks=row.tasks,
        open=row.open,
        running=row.running,
        created_at_s=row.created_at_s,
        size=row.size,
        array=row.is_array,
        parameters=codec.load_parameters(row.parameters),
        estimate=codec.load_estimate(row.estimate),
        engine_id=row.engine_id,
        handed_over_at_s=row.handed_over_at_s,
        cancelling=row.cancelling,
    )


@cache
def select_jobs() -> Select[Any]:
    return select(*JOB).where(jobs.c.sealed)


def to_job(row: Row[Any]) -> JobRecord:
    """From a row that begins with the columns of `JOB`."""
    read: tuple[Any, ...] = tuple(row)
    job_id, template, size, array, parameters, _, tenant, tier, priority = read[:9]
    submitted_at_s, started_at_s, finished_at_s, reason = read[9:13]
    return JobRecord(
        JobId(job_id),
        codec.load_job(template),
        tenant,
        tier,
        priority,
        size,
        array,
        codec.load_parameters(parameters),
        submitted_at_s,
        dict(zip(COUNT_OF, read[13 : len(JOB)], strict=True)),
        started_at_s,
        finished_at_s,
        reason,
    )


@cache
def select_backlog() -> Select[Any]:
    some: ColumnElement[bool] = sum_of_counts() > 0
    return select(backlogs).where(some).order_by(backlogs.c.tier, backlogs.c.tenant)


def sum_of_counts() -> ColumnElement[int]:
    first, *rest = [column for column in backlogs.c if column.name.startswith("n_")]
    total: ColumnElement[int] = first
    for column in rest:
        total = total + column
    return total


def to_backlog(row: Row[Any]) -> Backlog:
    kept = {state: row._mapping[name] for state, name in COUNT_OF.items() if name in row._mapping}
    return Backlog(row.tier, row.tenant, kept)
