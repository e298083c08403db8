"""Why tasks failed that failed while they waited.

No attempt says so, and their job knows only what it was told last. Rows grow with the reasons that
were given, not with tasks. What failed before these rows were kept has none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pyroaring import BitMap
from sqlalchemy import Connection, delete, select

from queue_broker.adapters.store.bulk import insert_rows, update_rows
from queue_broker.adapters.store.dialects import among
from queue_broker.adapters.store.schema import failures

#: A job's number, and the words.
Why = tuple[int, str]
COLUMNS = tuple(failures.c[name] for name in ("number", "job", "reason", "tasks"))


def note(connection: Connection, fresh: Mapping[Why, BitMap]) -> None:
    """Under the locks of the jobs' rows."""
    if not fresh:
        return
    query = select(*COLUMNS).where(among(connection, failures.c.job, {job for job, _ in fresh}))
    query = query.where(among(connection, failures.c.reason, {reason for _, reason in fresh}))
    known = {(row.job, row.reason): row for row in connection.execute(query)}
    more = [
        {"number": known[why].number, "tasks": known[why].tasks | tasks}
        for why, tasks in fresh.items()
        if why in known
    ]
    update_rows(connection, failures, "number", more)
    new = [
        {"job": job, "reason": reason, "tasks": tasks}
        for (job, reason), tasks in fresh.items()
        if (job, reason) not in known
    ]
    insert_rows(connection, failures, new)


def forget(connection: Connection, job: int, tasks: BitMap) -> None:
    """They are tried again; under the lock of the job's row."""
    found = connection.execute(select(*COLUMNS).where(failures.c.job == job)).all()
    left = {row.number: row.tasks - tasks for row in found if row.tasks & tasks}
    rest = [{"number": number, "tasks": kept} for number, kept in left.items() if kept]
    update_rows(connection, failures, "number", rest)
    emptied = [number for number, kept in left.items() if not kept]
    if emptied:
        connection.execute(delete(failures).where(among(connection, failures.c.number, emptied)))


def reasons(
    connection: Connection, tasks: Mapping[int, Collection[int]]
) -> Iterator[tuple[tuple[int, int], str]]:
    """Of those tasks of each job, by its number, that failed while they waited."""
    query = select(*COLUMNS).where(among(connection, failures.c.job, list(tasks)))
    row: Any
    for row in connection.execute(query) if tasks else ():
        yield from (((row.job, task), row.reason) for task in tasks[row.job] if task in row.tasks)
