"""Many rows in one statement.

SQLAlchemy's own executemany spends more on each row than the database does, and a multi-row VALUES
is parsed anew for each number of rows. PostgreSQL gets the rows as one JSON document and unfolds it
itself; SQLite's driver loops in C.
"""

# ruff: noqa: S608  (names come from schema.py alone, values are parameters)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

from pydantic_core import to_json
from pyroaring import BitMap
from sqlalchemy import Connection, LargeBinary, Table
from sqlalchemy.dialects import postgresql

from headgate.errors import Conflict
from queue_broker.adapters.store.codec import Bitmap, pack_tasks
from queue_broker.adapters.store.dialects import is_postgres

Rows = Sequence[Mapping[str, Any]]
#: Of one statement with its values listed; each number of rows is a text to parse of its own.
MOST_VALUES = 64
POSTGRES = postgresql.dialect()  # type: ignore[no-untyped-call]


def insert_rows(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows that all name the same columns."""
    if not rows:
        return
    names = tuple(rows[0])
    if is_postgres(connection):
        connection.exec_driver_sql(unfold_insert(table, names), {"rows": as_json(rows)})
    else:
        connection.exec_driver_sql(plain_insert(table, names), as_tuples(rows, names))


def insert_new(
    connection: Connection, table: Table, rows: Rows, returning: tuple[str, ...]
) -> list[tuple[Any, ...]]:
    """Insert those rows that break no uniqueness; what `returning` names of each that came in.

    The first name in `returning` must tell the given rows apart.
    """
    if not rows:
        return []
    names = tuple(rows[0])
    if is_postgres(connection):
        tail = f" ON CONFLICT DO NOTHING RETURNING {listed(returning)}"
        statement = unfold_insert(table, names) + tail
        found = connection.exec_driver_sql(statement, {"rows": as_json(rows)})
        return [tuple(row) for row in found]
    return insert_new_on_sqlite(connection, table, rows, returning)


def insert_new_on_sqlite(
    connection: Connection, table: Table, rows: Rows, returning: tuple[str, ...]
) -> list[tuple[Any, ...]]:
    """The driver's own loop would not say which came in; some rows a statement do."""
    names = tuple(rows[0])
    values = as_tuples(rows, names)
    found: list[tuple[Any, ...]] = []
    for at in range(0, len(rows), MOST_VALUES):
        some = values[at : at + MOST_VALUES]
        statement = insert_values(table, names, len(some), returning)
        answer = connection.exec_driver_sql(statement, tuple(chain.from_iterable(some)))
        found += [tuple(row) for row in answer]
    return found


def update_rows(connection: Connection, table: Table, key: str, rows: Rows) -> None:
    """Set every other named column of the rows with those keys; each of them must be there."""
    if not rows:
        return
    names = tuple(name for name in rows[0] if name != key)
    if is_postgres(connection):
        # The keys beside the rows tell the planner how many there are.
        document = {"rows": as_json(rows), "keys": [row[key] for row in rows]}
        done = connection.exec_driver_sql(unfold_update(table, key, names), document)
    else:
        values = as_tuples(rows, (*names, key))
        done = connection.exec_driver_sql(plain_update(table, key, names), values)
    if done.rowcount != len(rows):
        raise Conflict(f"{len(rows) - done.rowcount} rows of {table.name} were gone already")


def as_json(rows: Rows) -> str:
    """Sets of tasks packed, and bytes as hexadecimal text."""
    sets = [name for name, value in rows[0].items() if isinstance(value, BitMap)]
    plain = [{**row, **{name: packed(row[name]) for name in sets}} for row in rows]
    return to_json(plain if sets else rows, bytes_mode="hex", fallback=packed).decode()


def packed(value: BitMap | None) -> bytes | None:
    return None if value is None else pack_tasks(value)


def as_tuples(rows: Rows, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """At least two names; sets of tasks are packed by the driver."""
    of_row = itemgetter(*names)
    return [of_row(row) for row in rows]


def listed(names: tuple[str, ...], before: str = "") -> str:
    return ", ".join(f'{before}"{name}"' for name in names)


@lru_cache(maxsize=64)
def plain_insert(table: Table, names: tuple[str, ...]) -> str:
    return f"INSERT INTO {table.name} ({listed(names)}) VALUES ({', '.join('?' * len(names))})"


@lru_cache(maxsize=2 * MOST_VALUES)
def insert_values(
    table: Table, names: tuple[str, ...], rows: int, returning: tuple[str, ...]
) -> str:
    values = ", ".join([f"({', '.join('?' * len(names))})"] * rows)
    new = f"INSERT INTO {table.name} ({listed(names)}) VALUES {values}"
    return f"{new} ON CONFLICT DO NOTHING RETURNING {listed(returning)}"


@lru_cache(maxsize=64)
def plain_update(table: Table, key: str, names: tuple[str, ...]) -> str:
    set_ = ", ".join(f'"{name}" = ?' for name in names)
    return f'UPDATE {table.name} SET {set_} WHERE "{key}" = ?'


@lru_cache(maxsize=64)
def unfold_insert(table: Table, names: tuple[str, ...]) -> str:
    values = ", ".join(unfolded(table, name) for name in names)
    return (
        f"INSERT INTO {table.name} ({listed(names)}) SELECT {values} FROM {rows_of(table, names)}"
    )


@lru_cache(maxsize=64)
def unfold_update(table: Table, key: str, names: tuple[str, ...]) -> str:
    set_ = ", ".join(f'"{name}" = {unfolded(table, name)}' for name in names)
    match = f'{table.name}."{key}" = r."{key}" AND {table.name}."{key}" = ANY(%(keys)s)'
    return f"UPDATE {table.name} SET {set_} FROM {rows_of(table, (key, *names))} WHERE {match}"


def unfolded(table: Table, name: str) -> str:
    """A value of the document; bytes come as hexadecimal text."""
    binary = isinstance(table.c[name].type, LargeBinary | Bitmap)
    return f"decode(r.\"{name}\", 'hex')" if binary else f'r."{name}"'


def rows_of(table: Table, names: tuple[str, ...]) -> str:
    columns = ", ".join(f'"{name}" {sql_type(table, name)}' for name in names)
    return f"json_to_recordset(%(rows)s) AS r({columns})"


def sql_type(table: Table, name: str) -> str:
    kind = table.c[name].type
    return "text" if isinstance(kind, LargeBinary | Bitmap) else kind.compile(POSTGRES)
