"""Where SQLite and PostgreSQL differ; everything else is one set of queries."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    BigInteger,
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
    kept = list(values)
    if is_postgres(connection):
        kind = BigInteger() if not kept or isinstance(kept[0], int) else Text()
        return of == func.any(bindparam(None, kept, ARRAY(kind), unique=True))
    # As text: put together from functions it takes three times as long, on every query's way.
    each = text("SELECT value FROM json_each(:kept)")
    return of.in_(each.bindparams(bindparam("kept", json.dumps(kept), Text(), unique=True)))


def one_writer(connection: Connection, of: str) -> None:
    """Only one transaction at a time goes past here; SQLite's writers are alone anyway."""
    if is_postgres(connection):
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"headgate.{of}"))))
