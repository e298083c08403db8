"""Jobs whose tasks all stand in one group, and all get one shape.

Nearly every job that is submitted by itself is one, and every sweep whose tasks are alike. No task
leaves its group, so that only the group's state and the counts move: the sets of tasks are neither
read nor written, which is most of what a job costs in `ledger`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select

from headgate.lifecycle import State
from queue_broker.adapters.store import codec
from queue_broker.adapters.store.bulk import update_rows
from queue_broker.adapters.store.dialects import among
from queue_broker.adapters.store.ledger import add_to_backlogs
from queue_broker.adapters.store.schema import groups, jobs
from queue_broker.adapters.store.working import COUNT_OF
from queue_broker.records import Group, Split

Answer = tuple[Group, Sequence[Split]]
#: A group as it is, under its job's lock, what it gets, and where its tasks wait then.
Move = tuple[Row[Any], Split, State]


def moves(
    connection: Connection, answers: Sequence[Answer], owners: Collection[int], waiting: set[int]
) -> list[Move] | None:
    """What the answers come to; None where one of them is not so simple.

    `owners` are the answers' jobs, locked; those in `waiting` depend on others.
    """
    if not all(is_whole(*answer) for answer in answers):
        return None
    found = {row.number: row for row in connection.execute(select_alone(connection, owners))}
    told = []
    for group, splits in answers:
        row = found.get(group.group_id)
        if row is None or row.version != group.version:
            return None
        told.append((row, splits[0], State.PENDING if row.job in waiting else State.RUNNABLE))
    return told


def is_whole(group: Group, splits: Sequence[Split]) -> bool:
    """Whether all tasks of a job that nobody estimated yet get one shape."""
    mine = group.state is State.SUBMITTED and len(group.waiting) == group.size
    return mine and len(splits) == 1 and splits[0].tasks == group.waiting


def select_alone(connection: Connection, owners: Collection[int]) -> Any:
    beside = groups.alias("beside")
    of_job = select(func.count()).where(beside.c.job == groups.c.job).scalar_subquery()
    names = ("number", "job", "version", "tier", "tenant", "n_tasks")
    return select(*(groups.c[name] for name in names)).where(
        among(connection, groups.c.job, owners),
        groups.c.state == State.SUBMITTED.value,
        groups.c.n_waiting == groups.c.n_tasks,
        of_job == 1,
    )


def move(connection: Connection, told: Sequence[Move]) -> None:
    """Write groups, then jobs, then whom it concerns, as `Ledger.flush` does."""
    deltas: dict[tuple[str, str], Counter[State]] = defaultdict(Counter)
    for row, _, state in told:
        deltas[row.tier, row.tenant][State.SUBMITTED] -= row.n_tasks
        deltas[row.tier, row.tenant][state] += row.n_tasks
    update_rows(connection, groups, "number", [group_values(*one) for one in told])
    update_rows(connection, jobs, "number", [job_values(row, state) for row, _, state in told])
    add_to_backlogs(connection, deltas)


def group_values(row: Row[Any], split: Split, state: State) -> dict[str, Any]:
    return {
        "number": row.number,
        "shape": codec.shape_of(split.estimate),
        "estimate": codec.dump_estimate(split.estimate),
        "state": state.value,
        "version": row.version + 1,
    }


def job_values(row: Row[Any], now: State) -> dict[str, Any]:
    counts = {COUNT_OF[state]: 0 for state in (State.SUBMITTED, State.PENDING, State.RUNNABLE)}
    return {"number": row.job} | counts | {COUNT_OF[now]: row.n_tasks}
