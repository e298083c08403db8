"""Ended attempts as observations: what the predictor learns from, and what the lake is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from headgate.lifecycle import Cause
from headgate.sweep import Grid
from headgate.usage import Observation, Usage
from queue_broker.adapters.store import codec
from queue_broker.adapters.store.outcomes import ended_at, unpack
from queue_broker.adapters.store.schema import chunks, groups, jobs, leaks, outcomes
from queue_broker.core.parameters import row as table_row
from queue_broker.core.tables import decode
from queue_broker.records import Parameters, Table

#: A cursor is an outcome row's number and a place in it: number x PLACES + place.
PLACES = 2**20


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
    query = select_outcomes().where(outcomes.c.number >= number).limit(limit)
    found: list[Observation] = []
    cursor = after
    for row in connection.execute(query.execution_options(yield_per=50)):
        skip = done if row.number == number else 0
        part = range(skip, min(row.n_tasks, skip + limit - len(found)))
        found += read_row(connection, row, part)
        cursor = row.number * PLACES + max(skip, part.stop)
        if len(found) >= limit:
            break
    return found, cursor


def unexported(
    connection: Connection, limit: int
) -> tuple[list[Observation], tuple[int, int] | None]:
    """Whole rows, at least one, until `limit` attempts are reached."""
    query = select_outcomes().where(~outcomes.c.exported).limit(limit)
    found: list[Observation] = []
    numbers: list[int] = []
    for row in connection.execute(query.execution_options(yield_per=50)):
        if found and len(found) + row.n_tasks > limit:
            break
        found += read_row(connection, row, range(row.n_tasks))
        numbers.append(row.number)
    return found, (numbers[0], numbers[-1]) if numbers else None


def exported(connection: Connection, span: tuple[int, int]) -> None:
    mine = outcomes.c.number.between(*span) & ~outcomes.c.exported
    connection.execute(update(outcomes).where(mine).values(exported=True))


def read_row(connection: Connection, row: Row[Any], places: range) -> Iterator[Observation]:
    columns = unpack(row.data, row.n_tasks)
    tasks = [row.tasks[place] for place in places]
    given = parameters_of(connection, row.job, codec.load_parameters(row.parameters), tasks)
    for place, parameters in zip(places, given, strict=True):
        yield to_observation(row, ended_at(columns, place), parameters)


def to_observation(
    row: Row[Any], end: dict[str, Any], parameters: Mapping[str, object]
) -> Observation:
    cause: Cause = end["cause"]
    job = codec.load_job(row.template)
    began_s = end["started_at_s"] if end["started_at_s"] is not None else row.created_at_s
    return Observation(
        job=job,
        usage=end["usage"] or Usage(runtime_s=max(0.0, end["at_s"] - began_s)),
        cause=cause,
        exit_code=end["exit_code"],
        attempt=row.attempt,
        finished_at_s=end["at_s"],
        allocation=codec.load_resources(row.allocation),
        estimate=codec.load_estimate(row.estimate),
        parameters={**job.parameters, **parameters},
    )


def parameters_of(
    connection: Connection, job: int, parameters: Parameters, tasks: Iterable[int]
) -> Iterator[Mapping[str, object]]:
    """The sweep's own parameters of ascending tasks, a chunk of a table in memory at a time."""
    if isinstance(parameters, Grid):
        yield from (parameters.task(task) for task in tasks)
    elif parameters is Table.NONE:
        yield from ({} for _ in tasks)
    else:
        yield from rows_of_table(connection, job, tasks)


def rows_of_table(
    connection: Connection, job: int, tasks: Iterable[int]
) -> Iterator[Mapping[str, object]]:
    first, table = 0, None
    for task in tasks:
        if table is None or not first <= task < first + table.num_rows:
            query = select(chunks.c.first, chunks.c.data)
            query = query.where(chunks.c.job == job, chunks.c.first <= task)
            found = connection.execute(query.order_by(chunks.c.first.desc()).limit(1)).one()
            first, table = found.first, decode(found.data)
        yield table_row(table, task - first)
