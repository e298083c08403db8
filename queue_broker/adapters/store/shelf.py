"""Documents by kind, name and revision; every change is compared and set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, or_, select, update

from headgate.errors import Conflict
from headgate.tenancy import Tenant
from queue_broker.adapters.store.database import Database
from queue_broker.adapters.store.dialects import among, insert, is_postgres, some, these
from queue_broker.adapters.store.directory import put_tenant
from queue_broker.adapters.store.schema import documents
from queue_broker.records import Document

IN_ORDER = (documents.c.name, documents.c.revision.desc())


class SqlShelf:
    """`queue_broker.ports.Shelf` on the store's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, document: Document) -> Document:
        return self._database.write(put, document)

    def put_all(self, documents: Sequence[Document], tenants: Sequence[Tenant] = ()) -> None:
        self._database.write(put_all, documents, tenants)

    def remove(self, document: Document) -> None:
        self._database.write(remove, document)

    def get(self, kind: str, name: str, revision: int = 0) -> Document | None:
        return self._database.read(get, kind, name, revision)

    def named(self, kind: str, names: Sequence[str]) -> list[Document]:
        return self._database.read(named, kind, names) if names else []

    def exact(self, kind: str, wanted: Sequence[tuple[str, int]]) -> list[Document]:
        return self._database.read(exact, kind, wanted) if wanted else []

    def page(self, kind: str, after: tuple[str, int] | None, limit: int) -> list[Document]:
        return self._database.read(page, kind, after, limit)


def put(connection: Connection, document: Document) -> Document:
    kept = replace(document, version=document.version + 1)
    body = json.dumps(document.body, separators=(",", ":"))
    statement: Any
    if document.version:
        change = update(documents).where(*is_at(document))
        statement = change.values(version=kept.version, body=body)
    else:
        key = {"kind": document.kind, "name": document.name, "revision": document.revision}
        row = insert(connection, documents).values(**key, version=kept.version, body=body)
        statement = row.on_conflict_do_nothing()
    # Not by rowcount: of an INSERT, psycopg's is not always known.
    if connection.execute(statement.returning(documents.c.version)).first() is None:
        raise moved_on(document)
    return kept


def put_all(
    connection: Connection, documents: Sequence[Document], tenants: Sequence[Tenant]
) -> None:
    for document in documents:
        put(connection, document)
    for tenant in tenants:
        put_tenant(connection, tenant)


def remove(connection: Connection, document: Document) -> None:
    gone = delete(documents).where(*is_at(document)).returning(documents.c.version)
    if connection.execute(gone).first() is None:
        raise moved_on(document)


def is_at(document: Document) -> tuple[Any, ...]:
    return (
        documents.c.kind == document.kind,
        documents.c.name == document.name,
        documents.c.revision == document.revision,
        documents.c.version == document.version,
    )


def moved_on(document: Document) -> Conflict:
    was = f"at version {document.version}" if document.version else "new"
    return Conflict(f"{document.kind} {document.name!r} is not {was} any more; read it again")


def get(connection: Connection, kind: str, name: str, revision: int) -> Document | None:
    of = (documents.c.kind == kind, documents.c.name == name, documents.c.revision == revision)
    row = connection.execute(select(documents).where(*of)).first()
    return None if row is None else to_document(row)


def named(connection: Connection, kind: str, names: Sequence[str]) -> list[Document]:
    given = {"kind": kind} | these(connection, documents.c.name, names)
    found = connection.execute(select_named(is_postgres(connection)), given)
    return [to_document(row) for row in found]


@cache
def select_named(postgres: bool) -> Select[Any]:
    is_of = documents.c.kind == bindparam("kind")
    return select(documents).where(is_of, some(postgres, documents.c.name)).order_by(*IN_ORDER)


def exact(connection: Connection, kind: str, wanted: Sequence[tuple[str, int]]) -> list[Document]:
    """By name and by revision apart, and then the pairs: a list of pairs would be a new plan."""
    names, revisions = ({*column} for column in zip(*wanted, strict=True))
    query = select(documents).where(
        documents.c.kind == kind,
        among(connection, documents.c.name, names),
        among(connection, documents.c.revision, revisions),
    )
    pairs = set(wanted)
    found = [row for row in connection.execute(query) if (row.name, row.revision) in pairs]
    return [to_document(row) for row in found]


def page(
    connection: Connection, kind: str, after: tuple[str, int] | None, limit: int
) -> list[Document]:
    query = select(documents).where(documents.c.kind == kind)
    if after is not None:
        name, revision = after
        further = or_(documents.c.name > name, documents.c.revision < revision)
        query = query.where(documents.c.name >= name, further)  # begins at its place in the index
    found = connection.execute(query.order_by(*IN_ORDER).limit(limit))
    return [to_document(row) for row in found]


def to_document(row: Row[Any]) -> Document:
    return Document(row.kind, row.name, json.loads(row.body), row.revision, row.version)
