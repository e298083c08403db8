"""Many jobs told at once, in five queries whatever their number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select

from headgate.lifecycle import FINISHED, Cause, State
from queue_broker.adapters.store import rows
from queue_broker.adapters.store.database import Database
from queue_broker.adapters.store.dialects import among
from queue_broker.adapters.store.outcomes import ended_at, unpack
from queue_broker.adapters.store.reader import SET_OF, to_attempt
from queue_broker.adapters.store.schema import groups, jobs, leaks, outcomes, starts
from queue_broker.records import Attempt, Group, JobId, Listing, Standing

#: A job's number in the database and a task of it.
Place = tuple[int, int]
Wanted = Sequence[tuple[JobId, int | None]]


class SqlDescriber:
    """`queue_broker.ports.Describer` on the store's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def standings(self, wanted: Wanted) -> list[Standing]:
        return self._database.read(standings, wanted) if wanted else []

    def listed(self, listing: Listing) -> list[JobId]:
        return self._database.read(listed, listing)


def standings(connection: Connection, wanted: Wanted) -> list[Standing]:
    query = rows.select_jobs().where(among(connection, jobs.c.job_id, {job for job, _ in wanted}))
    found = {row.job_id: row for row in connection.execute(query)}
    known = [(found[job], task) for job, task in wanted if job in found]
    places = {
        (row.number, place) for row, task in known if (place := place_of(row, task)) is not None
    }
    stand = find_groups(connection, places)
    tried = find_attempts(connection, places)
    return [
        standing
        for row, task in known
        if (standing := to_standing(row, task, stand, tried)) is not None
    ]


def place_of(row: Row[Any], task: int | None) -> int | None:
    """The task whose life is told: a single job's only one, the one asked of an array, or none."""
    return task if row.is_array else 0


def to_standing(
    row: Row[Any],
    task: int | None,
    stand: Mapping[Place, tuple[State, Group]],
    tried: Mapping[Place, list[Attempt]],
) -> Standing | None:
    record = rows.to_job(row)
    if task is not None and not (row.is_array and 0 <= task < row.size):
        return None
    if row.is_array and task is None:
        state = record.state
        whole = state if state in FINISHED or state is State.SUBMITTED else State.PENDING
        return Standing(record, None, whole)
    place = (row.number, task or 0)
    if place not in stand:
        return None
    state, group = stand[place]
    return Standing(record, task, state, group, tuple(tried.get(place, ())))


def by_job(places: set[Place]) -> dict[int, list[int]]:
    tasks: dict[int, list[int]] = defaultdict(list)
    for number, task in sorted(places):
        tasks[number].append(task)
    return tasks


def find_groups(connection: Connection, places: set[Place]) -> dict[Place, tuple[State, Group]]:
    tasks = by_job(places)
    query = select_groups().where(among(connection, groups.c.job, list(tasks)))
    stand: dict[Place, tuple[State, Group]] = {}
    for row in connection.execute(query) if tasks else ():
        group = None
        for task in tasks[row.job]:
            state = state_in(row, task)
            if state is not None:
                group = group or rows.to_group(row)
                stand[row.job, task] = (state, group)
    return stand


def select_groups() -> Select[Any]:
    return rows.select_groups().add_columns(groups.c.job)


def state_in(row: Row[Any], task: int) -> State | None:
    """The state of a task in this group; None when it stands in another."""
    for state, name in SET_OF.items():
        if task in row._mapping[name]:
            return state
    return State(row.state) if task in row.waiting else None


def find_attempts(connection: Connection, places: set[Place]) -> dict[Place, list[Attempt]]:
    tasks = by_job(places)
    if not tasks:
        return {}
    every = [task for some in tasks.values() for task in some]
    query = select(leaks).where(among(connection, leaks.c.job, list(tasks)))
    query = query.where(leaks.c.first <= max(every), leaks.c.last >= min(every))
    found = connection.execute(query.order_by(leaks.c.number)).all()
    numbers = [row.number for row in found]
    began = dict(of_leaks(connection, starts, numbers, tasks, found))
    ended = dict(of_leaks(connection, outcomes, numbers, tasks, found))
    tried: dict[Place, list[Attempt]] = defaultdict(list)
    for leak in found:
        for task in tasks[leak.job]:
            if task in leak.tasks:
                key = (leak.number, task)
                start = began.get(key, {}).get("at_s")
                attempt = to_attempt(leak, task, start, ended.get(key))
                tried[leak.job, task].append(with_wish(attempt, leak.cancel_reason))
    return tried


def with_wish(attempt: Attempt, reason: str | None) -> Attempt:
    """A cancelled attempt with the words of who cancelled it; the engine knows only that it was."""
    if attempt.cause is not Cause.CANCELLED or not reason:
        return attempt
    return replace(attempt, reason=reason)


def of_leaks(
    connection: Connection,
    table: Any,
    numbers: list[int],
    tasks: Mapping[int, list[int]],
    found: Sequence[Row[Any]],
) -> Iterator[tuple[Place, dict[str, Any]]]:
    """(leak, task) and what a row of `starts` or `outcomes` says of it."""
    job_of = {leak.number: leak.job for leak in found}
    for row in connection.execute(select(table).where(among(connection, table.c.leak, numbers))):
        mine = [task for task in tasks[job_of[row.leak]] if task in row.tasks]
        columns = unpack(row.data, len(row.tasks)) if mine else {}
        for task in mine:
            place = row.tasks.rank(task) - 1
            whole = "cause" in columns
            told = ended_at(columns, place) if whole else {"at_s": columns["at_s"][place]}
            yield (row.leak, task), told


def listed(connection: Connection, listing: Listing) -> list[JobId]:
    query = select(jobs.c.job_id).where(jobs.c.sealed, jobs.c.queue == listing.queue)
    query = query.where(*conditions(listing)).order_by(jobs.c.number.desc()).limit(listing.limit)
    return [JobId(found) for found in connection.execute(query).scalars()]


def conditions(listing: Listing) -> Iterator[ColumnElement[bool]]:
    if listing.state is not None:
        yield stands_in(listing.state)
    if listing.name is not None:
        yield is_named(listing.name.lower())
    if listing.submitted_before_s is not None:
        yield jobs.c.submitted_at_s < listing.submitted_before_s
    if listing.submitted_after_s is not None:
        yield jobs.c.submitted_at_s > listing.submitted_after_s
    if listing.after is not None:
        older_than = select(jobs.c.number).where(jobs.c.job_id == listing.after)
        yield jobs.c.number < older_than.scalar_subquery()


def stands_in(state: State) -> ColumnElement[bool]:
    """Of an array, everything between SUBMITTED and its end is PENDING."""
    if state is State.SUBMITTED or state in FINISHED:
        return jobs.c.state == state.value
    single = and_(~jobs.c.is_array, jobs.c.state == state.value)
    if state is not State.PENDING:
        return single
    between = [one.value for one in State if one not in FINISHED and one is not State.SUBMITTED]
    return or_(single, and_(jobs.c.is_array, jobs.c.state.in_(between)))


def is_named(name: str) -> ColumnElement[bool]:
    if name.endswith("*"):
        return func.lower(jobs.c.name).startswith(name[:-1], autoescape=True)
    return func.lower(jobs.c.name) == name
