"""The unit of work over the groups of some jobs: locked, changed in memory, written back whole.

Every change of a task's state passes through here, so that counts on groups, jobs and backlogs are
derived from the same sets in the same transaction and cannot drift.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields
from typing import Any

from pyroaring import BitMap
from sqlalchemy import Connection, Row, bindparam, delete, select, update

from headgate.estimate import Estimate
from headgate.lifecycle import State
from queue_broker.adapters.store import codec, failures
from queue_broker.adapters.store.bulk import insert_rows, update_rows
from queue_broker.adapters.store.dialects import among
from queue_broker.adapters.store.schema import (
    COUNTS,
    UNFINISHED,
    backlogs,
    dependencies,
    groups,
    jobs,
)
from queue_broker.adapters.store.working import COUNT_OF, WorkingGroup, WorkingJob

#: In the order of the fields that they fill: thousands of rows a second pass here.
GROUP_COLUMNS = [groups.c[one.name] for one in fields(WorkingGroup) if one.name in groups.c]
JOB_COLUMNS = [
    *(jobs.c[one.name] for one in fields(WorkingJob) if one.name in jobs.c),
    *(jobs.c[name] for name in COUNTS),
]


class Ledger:
    """Locks jobs in ascending order (no deadlock), and loads their groups."""

    def __init__(self, connection: Connection, numbers: Collection[int]) -> None:
        self.connection = connection
        self.jobs = lock_jobs(connection, numbers)
        self.by_number: dict[int, WorkingGroup] = {}
        self._by_job: dict[int, list[WorkingGroup]] = defaultdict(list)
        self._before: dict[int, tuple[str, str, Counter[State]]] = {}
        self._load()

    def _load(self) -> None:
        query = select(*GROUP_COLUMNS).where(among(self.connection, groups.c.job, self.jobs))
        for row in self.connection.execute(query.order_by(groups.c.number)):
            group = WorkingGroup(*row)
            group.state = State(group.state)
            self.by_number[row.number] = group
            self._by_job[group.job].append(group)
            self._before[row.number] = (group.tier, group.tenant, group.counts())

    def of(self, job: int) -> list[WorkingGroup]:
        """A job's groups, oldest first, new ones too."""
        return list(self._by_job[job])

    def all(self) -> Iterator[WorkingGroup]:
        for number in self.jobs:
            yield from self._by_job[number]

    def twin(
        self, like: WorkingGroup, attempt: int, estimate: Estimate | str | None, state: State
    ) -> WorkingGroup:
        """The job's group of that attempt, shape and state; made when missing."""
        given = codec.load_estimate(estimate) if isinstance(estimate, str) else estimate
        shape = codec.shape_of(given) if given else ""
        for group in self._by_job[like.job]:
            if (group.attempt, group.shape, group.state) == (attempt, shape, state):
                return group
        text = codec.dump_estimate(given) if given else None
        made = WorkingGroup(
            like.job, attempt, shape, text, like.tenant, like.tier, like.priority, state,
            like.queued_at_s,
        )  # fmt: skip
        self._by_job[like.job].append(made)
        return made

    def carry(
        self, group: WorkingGroup, tasks: BitMap, estimate: Estimate | str | None, state: State
    ) -> bool:
        """Move waiting tasks on to another shape or state; whether there were any.

        A group that goes whole keeps its row, unless it would meet its twin there, or leaks were
        made of it: these keep the estimate that they were made with.
        """
        going = group.waiting & tasks
        if not going:
            return False
        twin = self.twin(group, group.attempt, estimate, state)
        whole = going == group.waiting and group.state is not State.RUNNABLE
        if whole and twin.number is None and not twin.waiting:
            self._by_job[group.job].remove(twin)
            group.shape, group.estimate, group.state = twin.shape, twin.estimate, state
            group.changed = True
        else:
            twin.put(group.take(going, "waiting"), "waiting")
        return True

    def flush(self, now_s: float) -> None:
        """Write everything that changed: groups, then jobs, then whom it concerns."""
        changed = [group for group in self.all() if group.changed]
        moved, backlog = self._deltas(changed)
        self._write_groups(changed)
        self._write_jobs(moved, now_s)
        self._write_failures()
        self._stir(moved)
        add_to_backlogs(self.connection, backlog)

    def _deltas(
        self, changed: Iterable[WorkingGroup]
    ) -> tuple[dict[int, Counter[State]], dict[tuple[str, str], Counter[State]]]:
        moved: dict[int, Counter[State]] = defaultdict(Counter)
        backlog: dict[tuple[str, str], Counter[State]] = defaultdict(Counter)
        for group in changed:
            now = group.counts()
            moved[group.job].update(now)
            backlog[group.tier, group.tenant].update(now)
            if group.number is not None:
                tier, tenant, before = self._before[group.number]
                moved[group.job].subtract(before)
                backlog[tier, tenant].subtract(before)
        return moved, backlog

    def _write_groups(self, changed: Iterable[WorkingGroup]) -> None:
        updated, inserted, emptied = [], [], []
        for group in changed:
            values = group.values()
            if group.number is None:
                fixed = {"job": group.job, "attempt": group.attempt}
                inserted.append(values | fixed | {"queued_at_s": group.queued_at_s})
            elif values["n_tasks"] == 0 and group.state is not State.RUNNABLE:
                emptied.append(group.number)  # no leak ever pointed here
            else:
                updated.append(values | {"number": group.number, "version": group.version + 1})
        if emptied:
            gone = among(self.connection, groups.c.number, emptied)
            self.connection.execute(delete(groups).where(gone))
        update_rows(self.connection, groups, "number", updated)
        insert_rows(self.connection, groups, inserted)

    def _write_jobs(self, moved: dict[int, Counter[State]], now_s: float) -> None:
        for number, delta in moved.items():
            job = self.jobs[number]
            if any(delta.values()):
                job.counts.update(delta)
                job.changed = True
            if job.is_finished != (job.finished_at_s is not None):
                job.finished_at_s = now_s if job.is_finished else None
                job.changed = True
        rows = [job.values() | {"number": n} for n, job in self.jobs.items() if job.changed]
        update_rows(self.connection, jobs, "number", rows)

    def _write_failures(self) -> None:
        fresh = {
            (number, reason): tasks
            for number, job in self.jobs.items()
            for reason, tasks in job.failed.items()
        }
        failures.note(self.connection, fresh)

    def _stir(self, moved: dict[int, Counter[State]]) -> None:
        """Have the dependants looked at again: of whole jobs at the end, of tasks at each end.

        Rows that are ripe already are written too: that waits for a look that is under way, which
        might have missed what we changed.
        """
        ended = [n for n, delta in moved.items() if delta[State.SUCCEEDED] or delta[State.FAILED]]
        if not ended:
            return
        finished = [number for number in ended if self.jobs[number].is_finished]
        on_job = dependencies.c.on_job
        when = dependencies.c.type.is_not(None) | among(self.connection, on_job, finished)
        concerned = among(self.connection, on_job, ended) & when
        self.connection.execute(update(dependencies).where(concerned).values(ripe=True))


ADD_TO_BACKLOG = (
    update(backlogs)
    .where(backlogs.c.tier == bindparam("at_tier"), backlogs.c.tenant == bindparam("at_tenant"))
    .values({name: backlogs.c[name] + bindparam(f"more_{name}") for name in UNFINISHED})
)


def lock(connection: Connection, numbers: Collection[int]) -> list[int]:
    """The jobs' rows, as `lock_jobs` locks them, unread."""
    query = select(jobs.c.number).where(among(connection, jobs.c.number, numbers))
    query = query.order_by(jobs.c.number).with_for_update(key_share=True)
    return list(connection.execute(query).scalars())


def lock_jobs(connection: Connection, numbers: Collection[int]) -> dict[int, WorkingJob]:
    query = select(*JOB_COLUMNS).where(among(connection, jobs.c.number, numbers))
    query = query.order_by(jobs.c.number).with_for_update(key_share=True)
    return {row[0]: to_working_job(row) for row in connection.execute(query)}


def to_working_job(row: Row[Any]) -> WorkingJob:
    job = WorkingJob(*row[: -len(COUNTS)])
    job.counts = Counter(dict(zip(COUNT_OF, row[-len(COUNTS) :], strict=True)))
    return job


def add_to_backlogs(connection: Connection, deltas: dict[tuple[str, str], Counter[State]]) -> None:
    """Change counts by tier and tenant: a transaction's last act, in one order everywhere."""
    rows = [
        {"at_tier": tier, "at_tenant": tenant}
        | {
            f"more_{COUNT_OF[state]}": delta[state]
            for state in State
            if COUNT_OF[state] in UNFINISHED
        }
        for (tier, tenant), delta in sorted(deltas.items())
        if any(delta.values())
    ]
    if rows:
        connection.execute(ADD_TO_BACKLOG, rows)
