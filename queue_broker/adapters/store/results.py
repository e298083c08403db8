"""How a job's attempts came out, with what was foretold of each: what a table of results is of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row

from queue_broker.adapters.store import codec
from queue_broker.adapters.store.history import (
    PLACES,
    Sheets,
    first_rows,
    parameters_of,
    select_outcomes,
    unseen,
)
from queue_broker.adapters.store.outcomes import ended_at, unpack
from queue_broker.adapters.store.reader import find, to_attempt
from queue_broker.adapters.store.schema import leaks, outcomes
from queue_broker.records import JobId, Result


def results(
    connection: Connection, job_id: JobId, after: int, limit: int
) -> tuple[list[Result], int | None]:
    """At most `limit` in the order in which they ended; the cursor behind them, None at the end."""
    mine = outcomes.c.job == find(connection, job_id).number
    number, done = divmod(max(after, 0), PLACES)
    wanted = select_outcomes().add_columns(*(leaks.c[name] for name in WITH_LEAK))
    found: list[Result] = []
    sheets = Sheets(connection)
    cursor = after
    for row in first_rows(connection, mine & unseen(number, done), limit + done, wanted):
        skip = done if row.number == number else 0
        places = range(skip, min(row.n_tasks, skip + limit - len(found)))
        found += read(sheets, row, places)
        cursor = row.number * PLACES + places.stop
    return found, cursor if len(found) == limit else None


#: What else an attempt is told by.
WITH_LEAK = ("name", "lane", "cancel_reason")


def read(sheets: Sheets, row: Row[Any], places: range) -> Iterator[Result]:
    columns, estimate = unpack(row.data, row.n_tasks), codec.load_estimate(row.estimate)
    tasks = [row.tasks[place] for place in places]
    given = parameters_of(sheets, row.job, codec.load_parameters(row.parameters), tasks)
    for task, place, parameters in zip(tasks, places, given, strict=True):
        attempt = to_attempt(row, task, None, ended_at(columns, place))
        yield Result(attempt, estimate, parameters)
