"""Where SQLite and PostgreSQL differ; everything else is one set of queries."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    Text,
    bindparam,
    func,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY


def is_postgres(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def insert(connection: Connection, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT."""
    return postgresql.insert(table) if is_postgres(connection) else sqlite.insert(table)


def among(
    connection: Connection, of: Column[Any], values: Collection[int] | Collection[str]
) -> ColumnElement[bool]:
    """`of` is one of `values`, as one parameter however many they are, so that the plan is kept."""
    postgres = is_postgres(connection)
    return _one_of(postgres, of, "kept", value=_kept(postgres, values), unique=True)


def some(postgres: bool, of: Column[Any]) -> ColumnElement[bool]:
    """`of` is one of the values that come with each run, from `these`: a statement that runs many
    times a second is built once, which costs as much as to run it.
    """
    return _one_of(postgres, of, f"some_{of.name}")


def these(
    connection: Connection, of: Column[Any], values: Collection[int] | Collection[str]
) -> dict[str, Any]:
    return {f"some_{of.name}": _kept(is_postgres(connection), values)}


def _one_of(postgres: bool, of: Column[Any], name: str, **given: Any) -> ColumnElement[bool]:
    if postgres:
        return of == func.any(bindparam(name, type_=ARRAY(of.type), **given))
    # As text: put together from functions it takes three times as long.
    each = text(f"SELECT value FROM json_each(:{name})")  # noqa: S608 - a column's name
    return of.in_(each.bindparams(bindparam(name, type_=Text(), **given)))


def _kept(postgres: bool, values: Collection[int] | Collection[str]) -> list[Any] | str:
    return list(values) if postgres else json.dumps(list(values))


def one_writer(connection: Connection, of: str) -> None:
    """Only one transaction at a time goes past here; SQLite's writers are alone anyway."""
    if is_postgres(connection):
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"headgate.{of}"))))
