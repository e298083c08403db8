"""Ended attempts as observations: what the predictor learns from, and what the lake is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from sqlalchemy import ColumnElement, Connection, Row, Select, func, select, update

from headgate.sweep import Grid
from headgate.usage import Observation, Usage
from queue_broker.adapters.store import codec
from queue_broker.adapters.store.dialects import among
from queue_broker.adapters.store.outcomes import ended_at, unpack
from queue_broker.adapters.store.schema import chunks, groups, jobs, leaks, outcomes
from queue_broker.core.pace import unhurried
from queue_broker.core.parameters import row as table_row
from queue_broker.core.tables import decode
from queue_broker.records import Parameters, Table

#: A cursor is an outcome row's number and a place in it: number x PLACES + place.
PLACES = 2**20
#: Attempts for the lake that are read without a rest: some milliseconds' work.
SLICE = 100
#: Decoded chunks that are kept while a page is read.
MOST_SHEETS = 4


def select_outcomes() -> Select[Any]:
    query = select(
        *(outcomes.c[name] for name in ("number", "job", "tasks", "n_tasks", "data")),
        *(leaks.c[name] for name in ("attempt", "allocation", "created_at_s")),
        groups.c.estimate,
        jobs.c.template,
        jobs.c.parameters,
    )
    query = query.join(leaks, outcomes.c.leak == leaks.c.number)
    query = query.join(groups, leaks.c.group == groups.c.number)
    return query.join(jobs, outcomes.c.job == jobs.c.number).order_by(outcomes.c.number)


def observations(connection: Connection, after: int, limit: int) -> tuple[list[Observation], int]:
    """At most `limit`, and the cursor behind the last one."""
    number, done = divmod(max(after, 0), PLACES)
    found: list[Observation] = []
    sheets = Sheets(connection)
    cursor = after
    for row in first_rows(connection, unseen(number, done), limit + done, select_outcomes()):
        skip = done if row.number == number else 0
        places = range(skip, min(row.n_tasks, skip + limit - len(found)))
        found += read_row(sheets, row, places)
        cursor = row.number * PLACES + places.stop
    return found, cursor


def unseen(number: int, done: int) -> ColumnElement[bool]:
    """The rows from one on, of which `done` places were seen."""
    seen_whole = (outcomes.c.number == number) & (outcomes.c.n_tasks <= done)
    return (outcomes.c.number >= number) & ~seen_whole


def lessons(
    connection: Connection, after: int | None, batches: int, each: int
) -> tuple[list[Observation], int]:
    """A few of each of the latest rows behind the row `after`; with the number of the last one."""
    last: int = connection.execute(select(func.max(outcomes.c.number))).scalar() or 0
    if after is None or last <= after:
        return [], last
    latest = select(outcomes.c.number).where(outcomes.c.number > after)
    latest = latest.order_by(outcomes.c.number.desc()).limit(batches)
    numbers = connection.execute(latest).scalars().all()
    wanted = select_outcomes().where(among(connection, outcomes.c.number, numbers))
    found: list[Observation] = []
    sheets = Sheets(connection)
    for row in connection.execute(wanted).all():
        found += read_row(sheets, row, range(min(row.n_tasks, each)))
    return found, last


def unexported(
    connection: Connection, limit: int
) -> tuple[list[Observation], tuple[int, int] | None]:
    """Whole rows, until `limit` attempts are reached."""
    chosen = first_rows(connection, ~outcomes.c.exported, limit, select_outcomes())
    sheets = Sheets(connection)
    every = (one for row in chosen for one in read_row(sheets, row, range(row.n_tasks)))
    found = list(unhurried(every, SLICE))
    return found, (chosen[0].number, chosen[-1].number) if chosen else None


def first_rows(
    connection: Connection, condition: ColumnElement[bool], limit: int, wanted: Select[Any]
) -> Sequence[Row[Any]]:
    """The oldest rows that hold `limit` attempts between them."""
    sizes = select(outcomes.c.number, outcomes.c.n_tasks).where(condition)
    numbers: list[int] = []
    total = 0
    for number, n_tasks in connection.execute(sizes.order_by(outcomes.c.number).limit(limit)):
        if total >= limit:
            break
        numbers.append(number)
        total += n_tasks
    chosen = among(connection, outcomes.c.number, numbers)
    return connection.execute(wanted.where(chosen)).all()


def exported(connection: Connection, span: tuple[int, int]) -> None:
    mine = outcomes.c.number.between(*span) & ~outcomes.c.exported
    connection.execute(update(outcomes).where(mine).values(exported=True))


def read_row(sheets: Sheets, row: Row[Any], places: range) -> Iterator[Observation]:
    columns = unpack(row.data, row.n_tasks)
    tasks = [row.tasks[place] for place in places]
    given = parameters_of(sheets, row.job, codec.load_parameters(row.parameters), tasks)
    observe = observer(row)
    for place, parameters in zip(places, given, strict=True):
        yield observe(ended_at(columns, place), parameters)


def observer(row: Row[Any]) -> Callable[[dict[str, Any], Mapping[str, object]], Observation]:
    """Makes the observations of a row's attempts, which share all but their ends."""
    job, created_s, attempt = codec.load_job(row.template), row.created_at_s, row.attempt
    allocation, estimate = codec.load_resources(row.allocation), codec.load_estimate(row.estimate)

    def observe(end: dict[str, Any], parameters: Mapping[str, object]) -> Observation:
        began_s = created_s if end["started_at_s"] is None else end["started_at_s"]
        return Observation(
            job=job,
            usage=end["usage"] or Usage(max(0.0, end["at_s"] - began_s)),
            cause=end["cause"],
            exit_code=end["exit_code"],
            attempt=attempt,
            finished_at_s=end["at_s"],
            allocation=allocation,
            estimate=estimate,
            parameters={**job.parameters, **parameters},
        )

    return observe


def parameters_of(
    sheets: Sheets, job: int, parameters: Parameters, tasks: Iterable[int]
) -> Iterator[Mapping[str, object]]:
    """The sweep's own parameters of tasks."""
    if isinstance(parameters, Grid):
        yield from (parameters.task(task) for task in tasks)
    elif parameters is Table.NONE:
        yield from ({} for _ in tasks)
    else:
        yield from (sheets.row(job, task) for task in tasks)


@dataclass(frozen=True, slots=True)
class Sheets:
    """The chunks of table sweeps, the latest few decoded: it takes milliseconds, and the ends of a
    sweep's tasks come in many small rows.
    """

    connection: Connection
    decoded: dict[tuple[int, int], pa.Table] = field(default_factory=dict)

    def row(self, job: int, task: int) -> Mapping[str, object]:
        for (whose, first), sheet in self.decoded.items():
            if whose == job and first <= task < first + sheet.num_rows:
                return table_row(sheet, task - first)
        query = select(chunks.c.first, chunks.c.data)
        query = query.where(chunks.c.job == job, chunks.c.first <= task)
        found = self.connection.execute(query.order_by(chunks.c.first.desc()).limit(1)).one()
        if len(self.decoded) >= MOST_SHEETS:
            del self.decoded[next(iter(self.decoded))]
        sheet = self.decoded[job, found.first] = decode(found.data)
        return table_row(sheet, task - found.first)
