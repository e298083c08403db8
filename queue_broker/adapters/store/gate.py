"""What stands before the gate: groups to estimate, groups that may be leaked, and why they wait."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, func, select, true, update

from headgate.lifecycle import State
from queue_broker.adapters.store import alone, codec, rows
from queue_broker.adapters.store.alone import Answer
from queue_broker.adapters.store.bulk import update_rows
from queue_broker.adapters.store.dialects import among, is_postgres, some, these
from queue_broker.adapters.store.ledger import Ledger, lock
from queue_broker.adapters.store.schema import backlogs, dependencies, groups, jobs
from queue_broker.records import Backlog, Group, GroupId, Split, Table

#: Conditions of the partial indexes, word for word: SQLite matches them by their text.
AT_GATE = (groups.c.state == "RUNNABLE") & (groups.c.n_waiting > 0)

#: Rows of groups, as they are read.
Rows = Sequence[Row[Any]]
#: Of each group that stands at the gate why it waits, and the rows of those that moved.
Seen = tuple[Mapping[int, str | None], Rows]


def submitted(connection: Connection, limit: int, sweeps: int) -> list[Group]:
    """Each tier by itself: thousands of sweeps stand before nobody of another tier."""
    tiers = select(backlogs.c.tier).where(backlogs.c.n_submitted > 0).distinct()
    marks = [
        connection.execute(select_submitted(limit), {"of": tier}).all()
        for tier in connection.execute(tiers).scalars()
    ]
    wanted = [number for found in marks for number in first(found, sweeps)]
    found = to_groups(group_rows(connection, wanted))
    return sorted(found.values(), key=lambda group: group.group_id)


def first(marks: Iterable[Row[Any]], sweeps: int) -> Iterator[int]:
    """Of a tier's groups those of tasks that are alike, and so many of its others: their parameters
    are read once more with every pass until their turn comes.
    """
    yield from (mark.number for mark in marks if mark.alike)
    yield from islice((mark.number for mark in marks if not mark.alike), sweeps)


@lru_cache(maxsize=8)
def select_submitted(limit: int) -> Select[Any]:
    """Number, and whether its tasks are alike, of a tier's oldest."""
    alike = jobs.c.parameters == codec.TABLES[Table.NONE]
    query = select(groups.c.number, alike.label("alike"))
    query = query.join(jobs, groups.c.job == jobs.c.number)
    query = query.where(groups.c.state == "SUBMITTED", groups.c.n_waiting > 0)
    query = query.where(groups.c.tier == bindparam("of"))
    return query.order_by(groups.c.number).limit(limit)


def estimated(connection: Connection, answers: Sequence[Answer], now_s: float) -> list[bool]:
    numbers = [int(group.group_id) for group, _ in answers]
    jobs_of = select(groups.c.job).where(among(connection, groups.c.number, numbers))
    owners = lock(connection, set(connection.execute(jobs_of).scalars()))
    waiting = with_dependencies(connection, owners)
    simple = alone.moves(connection, answers, owners, waiting)
    if simple is None:
        done = shape_all(Ledger(connection, owners), answers, waiting, now_s)
    else:
        alone.move(connection, simple)
        done = [True] * len(answers)
    if waiting:
        mine = among(connection, dependencies.c.job, waiting)
        connection.execute(update(dependencies).where(mine).values(ripe=True))
    return done


def with_dependencies(connection: Connection, owners: Collection[int]) -> set[int]:
    mine = among(connection, dependencies.c.job, owners)
    return set(connection.execute(select(dependencies.c.job).where(mine)).scalars())


def shape_all(
    ledger: Ledger, answers: Sequence[Answer], waiting: set[int], now_s: float
) -> list[bool]:
    done = [shape(ledger, group, splits, waiting) for group, splits in answers]
    ledger.flush(now_s)
    return done


def shape(ledger: Ledger, seen: Group, splits: Sequence[Split], waiting: set[int]) -> bool:
    """Give one group its shapes, or other ones while it waits at the gate, unless it moved on. They
    queue in their order.
    """
    group = ledger.by_number.get(seen.group_id)
    if group is None or group.state is State.PENDING or group.version != seen.version:
        return False
    again = group.state is State.RUNNABLE
    state = State.PENDING if group.job in waiting and not again else State.RUNNABLE
    left = group.waiting.difference(*(split.tasks for split in splits))
    if left:
        raise ValueError(f"the splits of group {seen.group_id} leave {len(left)} tasks out")
    for split in splits if again else (*splits[1:], *splits[:1]):
        ledger.carry(group, split.tasks, split.estimate, state)  # the last keeps the row: it leads
    return True


def look(connection: Connection, per_tenant: int, seen: Mapping[int, Group]) -> Seen:
    """Pass after pass most of them are the same: of those in `seen` that did not move since, only
    the reason to wait is read again, which changes without a new version.
    """
    marks = connection.execute(select_eligible(per_tenant, is_postgres(connection))).all()
    moved = [n for n, version, _ in marks if n not in seen or seen[n].version != version]
    return {number: hold for number, _, hold in marks}, group_rows(connection, moved)


def eligible(
    holds: Mapping[int, str | None], moved: Rows, seen: Mapping[int, Group]
) -> list[Group]:
    """What `look` found, as groups. To be called without a transaction: for a new leader tens of
    thousands of them take seconds, and PostgreSQL ends what is idle for ten.
    """
    now = {**seen, **to_groups(moved)}.items()
    found = [
        one if one.hold == holds[n] else replace(one, hold=holds[n]) for n, one in now if n in holds
    ]
    return sorted(found, key=queue_order)  # what was seen is in order, and quickly sorted


def group_rows(connection: Connection, numbers: Collection[int]) -> Rows:
    if not numbers:
        return []
    query = select_numbered(is_postgres(connection))
    return connection.execute(query, these(connection, groups.c.number, numbers)).all()


def to_groups(found: Rows) -> dict[int, Group]:
    return {row.number: rows.to_group(row) for row in found}


@cache
def select_numbered(postgres: bool) -> Select[Any]:
    return rows.select_groups().where(some(postgres, groups.c.number))


def queue_order(group: Group) -> tuple[str, str, int, float, int]:
    return (group.tier, group.tenant, -group.priority, group.queued_at_s, group.group_id)


@lru_cache(maxsize=8)
def select_eligible(per_tenant: int, postgres: bool) -> Select[Any]:
    columns = (groups.c.number, groups.c.version, groups.c.hold)
    return select(*columns).where(is_foremost(per_tenant, postgres))


def waits(connection: Connection, per_tenant: int) -> dict[str, float]:
    """None of the groups is read, so that it costs as much where no pass has read them."""
    found = connection.execute(select_waits(per_tenant, is_postgres(connection)))
    return {row.tier: row.queued_at_s for row in found}


@lru_cache(maxsize=8)
def select_waits(per_tenant: int, postgres: bool) -> Select[Any]:
    # A count, not EXISTS: that became a join with all dependencies there are.
    others = select(func.count()).where(dependencies.c.job == groups.c.job).scalar_subquery()
    query = select(groups.c.tier, func.min(groups.c.queued_at_s).label("queued_at_s")).group_by(
        groups.c.tier
    )
    return query.where(is_foremost(per_tenant, postgres), groups.c.attempt == 1, others == 0)


def is_foremost(per_tenant: int, postgres: bool) -> ColumnElement[bool]:
    """A group is among its tenant's first in its tier: a few steps into the gate's index for each
    tier and tenant that has something waiting.
    """
    first = (
        select(groups.c.number)
        .where(AT_GATE, groups.c.tier == backlogs.c.tier, groups.c.tenant == backlogs.c.tenant)
        .order_by(groups.c.priority.desc(), groups.c.queued_at_s, groups.c.number)
        .limit(per_tenant)
        .correlate(backlogs)
    )
    if postgres:
        lateral = first.lateral("first")
        picked = select(lateral.c.number).select_from(backlogs.join(lateral, true()))
        picked = picked.where(backlogs.c.n_runnable > 0)
        return groups.c.number == func.any(func.array(picked.scalar_subquery()))
    picked_groups = groups.alias("picked")
    inner = (
        select(picked_groups.c.number)
        .select_from(backlogs.join(picked_groups, picked_groups.c.number.in_(first)))
        .where(backlogs.c.n_runnable > 0)
    )
    return groups.c.number.in_(inner)


def backlog(connection: Connection) -> list[Backlog]:
    return [rows.to_backlog(row) for row in connection.execute(rows.select_backlog())]


def hold(connection: Connection, reasons: Mapping[GroupId, str]) -> None:
    """Only reasons that changed are written, and a group's version stays: nothing moved."""
    mine = among(connection, groups.c.number, [int(key) for key in reasons])
    found = connection.execute(select(groups.c.number, groups.c.hold).where(mine))
    changed = [
        {"number": number, "hold": reasons[GroupId(number)]}
        for number, held in found
        if held != reasons[GroupId(number)]
    ]
    update_rows(connection, groups, "number", changed)
