"""Short sentences about stores, for the tests beside this."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import combinations
from typing import Any

from pyroaring import BitMap
from sqlalchemy import Connection, Row, select

from headgate.lifecycle import State
from queue_broker.adapters.store.schema import TASK_SETS, backlogs, failures, groups, jobs
from queue_broker.adapters.store.store import SqlStore
from queue_broker.adapters.store.working import COUNT_OF
from queue_broker.records import Group, JobId, Leak, Split, Submission
from tests.factories import START_S, an_estimate, an_intent, taken


def accept(store: SqlStore, *submissions: Submission) -> list[JobId]:
    """Submit; everything must be accepted."""
    answers = store.add(submissions)
    for answer in answers:
        assert not isinstance(answer, Exception), answer
    return [answer.job_id for answer in answers if not isinstance(answer, Exception)]


def estimate_all(store: SqlStore, memory_mib: int = 1024) -> None:
    groups_ = store.submitted(1000, 1000)
    done = store.estimated([(g, [Split(g.waiting, an_estimate(memory_mib))]) for g in groups_])
    assert all(done)


def make_runnable(store: SqlStore, *submissions: Submission) -> list[Group]:
    """Submit and estimate; the groups at the gate."""
    accept(store, *submissions)
    estimate_all(store)
    store.settle_dependencies(1000)
    return store.eligible(1000)


def leak_all(store: SqlStore, groups_: Iterable[Group] | None = None) -> list[Leak]:
    """Leak everything that waits, and have it taken."""
    wanted = store.eligible(1000) if groups_ is None else groups_
    leaks = store.write_intents([an_intent(group) for group in wanted], START_S)
    store.handed_over(taken(leaks), START_S)
    return store.open_leaks()


def counts_of(store: SqlStore, job_id: str) -> dict[State, int]:
    """Only the states that have tasks."""
    return {state: n for state, n in store.job(JobId(job_id)).counts.items() if n}


def check_books(store: SqlStore) -> None:
    """Every count in the database says what the sets of tasks say, and no task is in two places."""
    store.database.read(check_connection)


def check_connection(connection: Connection) -> None:
    by_job: dict[int, Counter[State]] = defaultdict(Counter)
    by_tenant: Counter[tuple[str, str, State]] = Counter()
    sets: dict[int, list[BitMap]] = defaultdict(list)
    for row in connection.execute(select(groups)):
        for name in TASK_SETS:
            tasks = row._mapping[name]
            assert len(tasks) == row._mapping[f"n_{name}"]
            state = State(row.state if name == "waiting" else name.upper())
            by_job[row.job][state] += len(tasks)
            by_tenant[row.tier, row.tenant, state] += len(tasks)
            sets[row.job].append(tasks)
    for row in connection.execute(select(jobs)):
        assert counted(row) == {state: by_job[row.number][state] for state in State}
        assert all(a.isdisjoint(b) for a, b in combinations(sets[row.number], 2))
    check_failures(connection)
    for row in connection.execute(select(backlogs)):
        for state, n in counted(row).items():
            assert n == by_tenant[row.tier, row.tenant, state]


def check_failures(connection: Connection) -> None:
    """What is told of why tasks failed is told of failed ones, and once of each."""
    failed: dict[int, BitMap] = defaultdict(BitMap)
    for row in connection.execute(select(groups.c.job, groups.c.failed)):
        failed[row.job] |= row.failed
    for row in connection.execute(select(failures)):
        assert row.tasks
        assert row.tasks <= failed[row.job]
        failed[row.job] -= row.tasks


def counted(row: Row[Any]) -> dict[State, int]:
    return {state: row._mapping[name] for state, name in COUNT_OF.items() if name in row._mapping}
