"""PENDING -> RUNNABLE or FAILED: who waits for whom, and what their ends mean for each task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pyroaring import BitMap
from sqlalchemy import Connection, Row, Select, select, update

from headgate.lifecycle import State
from queue_broker.adapters.store.codec import all_tasks
from queue_broker.adapters.store.dialects import among
from queue_broker.adapters.store.ledger import Ledger
from queue_broker.adapters.store.schema import dependencies, groups, jobs
from queue_broker.adapters.store.working import WorkingJob
from queue_broker.records import DEPENDENCY_FAILED


@dataclass(slots=True)
class Ends:
    """What is known of a job that others depend on; the sets only where they wait task by task."""

    job_id: str
    state: State
    succeeded: BitMap = field(default_factory=BitMap)
    failed: BitMap = field(default_factory=BitMap)


@dataclass(frozen=True, slots=True)
class Ruling:
    """Which tasks may go now, which never will, and the words for those."""

    free: BitMap
    doomed: BitMap
    reason: str | None


def settle(connection: Connection, limit: int, now_s: float) -> int:
    """One bounded pass over the dependants of what moved; returns how many groups moved."""
    found = connection.execute(select_ripe(limit)).scalars().all()
    if not found:
        return 0
    ledger = Ledger(connection, found)
    mine = among(connection, dependencies.c.job, ledger.jobs)
    # Unripe before we look: whatever ends from here on makes them ripe again.
    connection.execute(update(dependencies).where(mine).values(ripe=False))
    by_job: dict[int, list[Row[Any]]] = defaultdict(list)
    query = select(dependencies).where(mine).order_by(dependencies.c.number)
    for row in connection.execute(query):
        by_job[row.job].append(row)
    ends = find_ends(connection, [row for group in by_job.values() for row in group])
    moved = sum(
        apply(ledger, job, rule(job, by_job[number], ends)) for number, job in ledger.jobs.items()
    )
    ledger.flush(now_s)
    return moved


@lru_cache(maxsize=8)
def select_ripe(limit: int) -> Select[Any]:
    ripe = select(dependencies.c.job).where(dependencies.c.ripe).distinct()
    return ripe.order_by(dependencies.c.job).limit(limit)


def find_ends(connection: Connection, on: Sequence[Row[Any]]) -> dict[int, Ends]:
    query = select(jobs.c.number, jobs.c.job_id, jobs.c.state)
    query = query.where(among(connection, jobs.c.number, {row.on_job for row in on}))
    ends = {r.number: Ends(r.job_id, State(r.state)) for r in connection.execute(query)}
    by_task = {row.on_job for row in on if row.type is not None}
    if by_task:
        sets = select(groups.c.job, groups.c.succeeded, groups.c.failed)
        for row in connection.execute(sets.where(among(connection, groups.c.job, by_task))):
            ends[row.job].succeeded |= row.succeeded
            ends[row.job].failed |= row.failed
    return ends


def rule(job: WorkingJob, on: Sequence[Row[Any]], ends: dict[int, Ends]) -> Ruling:
    free, doomed, reason = all_tasks(job.size), BitMap(), None
    for row in on:
        met, failed = verdict(row.type, ends[row.on_job], job.size)
        free &= met
        if failed and reason is None:
            reason = words(row.type, ends[row.on_job])
        doomed |= failed
    return Ruling(free - doomed, doomed, reason)


def verdict(kind: str | None, end: Ends, size: int) -> tuple[BitMap, BitMap]:
    """The tasks of a dependant for which one dependency is met, and those for which it never is."""
    everything, nothing = all_tasks(size), BitMap()
    if kind == "N_TO_N":
        return end.succeeded, end.failed
    if kind == "SEQUENTIAL":
        first = min(end.failed, default=size)
        after = BitMap(range(first + 1, size)) if first < size else nothing
        return (BitMap([0]) | end.succeeded.shift(1)) & everything, after
    if end.state is State.SUCCEEDED:
        return everything, nothing
    return nothing, everything if end.state is State.FAILED else nothing


def words(kind: str | None, end: Ends) -> str:
    if kind == "SEQUENTIAL":
        return f"{DEPENDENCY_FAILED}an earlier task of {end.job_id}"
    if kind == "N_TO_N":
        return f"{DEPENDENCY_FAILED}the same task of {end.job_id}"
    return f"{DEPENDENCY_FAILED}{end.job_id}"


def apply(ledger: Ledger, job: WorkingJob, ruling: Ruling) -> int:
    """Move the job's PENDING tasks; returns how many groups moved."""
    moved = 0
    for group in ledger.of(job.number):
        if group.state is not State.PENDING:
            continue
        failed = group.move(ruling.doomed, ("waiting",), "failed")
        if failed and ruling.reason:
            job.fail(failed, ruling.reason)
        freed = ledger.carry(group, ruling.free, group.estimate, State.RUNNABLE)
        moved += bool(failed or freed)
    return moved
