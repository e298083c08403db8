"""Many jobs told at once, in five queries at most whatever their number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, func, or_, select

from headgate.estimate import Estimate
from headgate.lifecycle import FINISHED, State
from queue_broker.adapters.store import codec, failures, rows
from queue_broker.adapters.store.database import Database
from queue_broker.adapters.store.dialects import among, is_postgres, some, these
from queue_broker.adapters.store.outcomes import ended_at, unpack
from queue_broker.adapters.store.reader import SET_OF, child_of, to_attempt
from queue_broker.adapters.store.schema import groups, jobs, leaks, outcomes, starts
from queue_broker.core.memory import Memory
from queue_broker.records import Attempt, JobId, JobRecord, Listing, Standing

#: A job's number in the database, or a leak's, and a task of it.
Place = tuple[int, int]
Wanted = Sequence[tuple[JobId, int | None]]
#: What is told of an attempt's start or end, by leak and task.
Told = dict[Place, dict[str, Any]]

#: What a standing is of: a job's number, and its task (None: the whole).
Which = tuple[int, int | None]

#: States that a task leaves only with a change of its job's row.
STEADY = {State.STARTING, State.RUNNING, State.SUCCEEDED}

#: What a task's group says of it: its state, what it was foretold, and what holds it.
Stand = tuple[State, Estimate | None, str | None]
GROUP = tuple(groups.c[name] for name in ("job", "number", "state", "estimate", "hold"))
SETS = tuple(groups.c[name] for name in ("waiting", *SET_OF.values()))
LEAK = tuple(
    leaks.c[name]
    for name in (
        *("number", "job", "name", "attempt", "lane", "allocation", "tasks"),
        *("created_at_s", "cancel_reason", "engine_id"),
    )
)


Ends = Memory[Place, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Memories:
    """Of ends of attempts, which never change, and are dear to unpack: a row holds those of up to
    ten thousand tasks. Of standings, each with its job's row: see `stays`.
    """

    ends: Ends = field(default_factory=lambda: Memory(50_000))
    told: Memory[Which, tuple[Row[Any], Standing]] = field(default_factory=lambda: Memory(5_000))


class SqlDescriber:
    """`queue_broker.ports.Describer` on the store's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._memories = Memories()

    def standings(self, wanted: Wanted) -> list[Standing]:
        return self._database.read(standings, wanted, self._memories) if wanted else []

    def listed(self, listing: Listing) -> list[JobRecord]:
        return self._database.read(listed, listing)


def standings(connection: Connection, wanted: Wanted, memories: Memories) -> list[Standing]:
    ids = these(connection, jobs.c.job_id, {job for job, _ in wanted})
    query = select_told(is_postgres(connection))
    found = {row.job_id: row for row in connection.execute(query, ids).all()}
    asked = [(found[job], task) for job, task in wanted if job in found]
    known = {(row.number, task): row for row, task in asked if exists(row, task)}
    kept = memories.told.known(known)
    told = {place: standing for place, (row, standing) in kept.items() if same(row, known[place])}
    fresh = {place: row for place, row in known.items() if place not in told}
    news = anew(connection, fresh, memories.ends) if fresh else {}
    memories.told.keep({place: (fresh[place], one) for place, one in news.items() if stays(one)})
    told |= news
    return [told[place] for place in known]


@cache
def select_told(postgres: bool) -> Select[Any]:
    return rows.select_jobs().add_columns(jobs.c.leaks).where(some(postgres, jobs.c.job_id))


def same(row: Row[Any], other: Row[Any]) -> bool:
    """As tuples: SQLAlchemy compares its own rows at seven times the cost."""
    return tuple(row) == tuple(other)


def stays(standing: Standing) -> bool:
    """Whether a task stands as it does until its job's row changes.

    An array as a whole is told from its row alone. A task leaves these states only when the row's
    counts change, and comes back to them only by another leak, which the row counts too. Not so
    FAILED: a failed task may change places with one that is cancelled while it waits. Nor does the
    row tell that the engine took an attempt, and by which id.
    """
    whole = standing.record.array and standing.task is None
    taken = all(one.child is not None for one in standing.attempts[-1:])
    return whole or (standing.state in STEADY and taken)


def anew(
    connection: Connection, asked: Mapping[Which, Row[Any]], ends: Ends
) -> dict[Which, Standing]:
    """Told from the database; `asked` has each one's row of `jobs`."""
    by_number = {number: row for (number, _), row in asked.items()}
    records = {number: rows.to_job(row) for number, row in by_number.items()}
    singles = {number: record for number, record in records.items() if not record.array}
    children = {(number, task) for number, task in asked if task is not None}
    stand = of_singles(connection, singles) | of_children(connection, children)
    failed = by_first(place for place, (state, *_) in stand.items() if state is State.FAILED)
    whys = dict(failures.reasons(connection, failed))
    tried = find_attempts(connection, {(number, 0) for number in singles} | children, ends)
    told = {}
    for number, task in asked:
        place = (number, task or 0)
        about = (stand.get(place), tried.get(place, ()), whys.get(place))
        told[number, task] = to_standing(records[number], task, *about)
    return told


def exists(row: Row[Any], task: int | None) -> bool:
    return task is None or (row.is_array and 0 <= task < row.size)


def to_standing(
    record: JobRecord,
    task: int | None,
    stand: Stand | None,
    attempts: Sequence[Attempt],
    failure: str | None,
) -> Standing:
    if record.array and task is None:
        state = record.state
        whole = state if state in FINISHED or state is State.SUBMITTED else State.PENDING
        return Standing(record, None, whole)
    state, estimate, hold = stand or (record.state, None, None)
    return Standing(record, task, state, estimate, hold, tuple(attempts), failure)


def of_singles(connection: Connection, singles: Mapping[int, JobRecord]) -> dict[Place, Stand]:
    """A single job's own counts say its state; its newest group the rest."""
    if not singles:
        return {}
    query = select(*GROUP).where(among(connection, groups.c.job, list(singles)))
    return {
        (row.job, 0): (singles[row.job].state, *foretold(row))
        for row in connection.execute(query.order_by(groups.c.number))
    }


def of_children(connection: Connection, children: set[Place]) -> dict[Place, Stand]:
    tasks = by_first(children)
    query = select(*GROUP, *SETS).where(among(connection, groups.c.job, list(tasks)))
    stand: dict[Place, Stand] = {}
    for row in connection.execute(query) if tasks else ():
        for task in tasks[row.job]:
            state = state_in(row, task)
            if state is not None:
                stand[row.job, task] = (state, *foretold(row))
    return stand


def foretold(row: Row[Any]) -> tuple[Estimate | None, str | None]:
    return codec.load_estimate(row.estimate), row.hold


def state_in(row: Row[Any], task: int) -> State | None:
    """The state of a task in this group; None when it stands in another."""
    for state, name in SET_OF.items():
        if task in getattr(row, name):
            return state
    return State(row.state) if task in row.waiting else None


def by_first(places: Iterable[Place]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for first, task in sorted(places):
        found[first].append(task)
    return found


def find_attempts(
    connection: Connection, places: set[Place], ends: Ends
) -> dict[Place, list[Attempt]]:
    """Every attempt of every task, oldest first."""
    tasks = by_first(places)
    if not tasks:
        return {}
    every = [task for _, task in places]
    query = select(*LEAK).where(among(connection, leaks.c.job, list(tasks)))
    query = query.where(leaks.c.first <= max(every), leaks.c.last >= min(every))
    found = connection.execute(query.order_by(leaks.c.number)).all()
    tries = [(leak, task) for leak in found for task in tasks[leak.job] if task in leak.tasks]
    ended, began = find_times(connection, {(leak.number, task) for leak, task in tries}, ends)
    tried: dict[Place, list[Attempt]] = defaultdict(list)
    for leak, task in tries:
        key = (leak.number, task)
        began_s, child = began.get(key, {}).get("at_s"), child_of(leak, task)
        attempt = to_attempt(leak, task, began_s, ended.get(key), child)
        tried[leak.job, task].append(attempt)
    return tried


def find_times(connection: Connection, tries: set[Place], ends: Ends) -> tuple[Told, Told]:
    """How attempts ended, and when those began that have not."""
    ended = ends.known(tries)
    fresh = dict(rows_of(connection, outcomes, tries - ended.keys()))
    ends.keep(fresh)
    ended |= fresh
    return ended, dict(rows_of(connection, starts, tries - ended.keys()))


def rows_of(
    connection: Connection, table: Table, tries: set[Place]
) -> Iterator[tuple[Place, dict[str, Any]]]:
    """What the rows of `starts` or `outcomes` say of these attempts."""
    tasks = by_first(tries)
    query = select(table.c.leak, table.c.tasks, table.c.data)
    query = query.where(among(connection, table.c.leak, list(tasks)))
    for row in connection.execute(query) if tasks else ():
        mine = [task for task in tasks[row.leak] if task in row.tasks]
        columns = unpack(row.data, len(row.tasks)) if mine else {}
        for task in mine:
            place = row.tasks.rank(task) - 1
            told = {"at_s": columns["at_s"][place]}
            yield (row.leak, task), ended_at(columns, place) if table is outcomes else told


def listed(connection: Connection, listing: Listing) -> list[JobRecord]:
    query = rows.select_jobs().where(jobs.c.queue == listing.queue, *conditions(listing))
    query = query.order_by(jobs.c.number.desc()).limit(listing.limit)
    return [rows.to_job(row) for row in connection.execute(query)]


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
