"""Tenants, live: set by somebody, or seen on a job."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import Connection, select

from headgate.tenancy import Tenant
from queue_broker.adapters.store.dialects import insert
from queue_broker.adapters.store.schema import tenants as table

IN_ORDER = select(table).order_by(table.c.name)


def tenants(connection: Connection) -> list[Tenant]:
    return [to_tenant(row.name, row.settings) for row in connection.execute(IN_ORDER)]


@lru_cache(maxsize=50_000)
def to_tenant(name: str, settings: str | None) -> Tenant:
    """Every pass reads all of them, and most say what they said: those are the same objects."""
    return Tenant(name=name) if settings is None else Tenant.model_validate_json(settings)


def put_tenant(connection: Connection, tenant: Tenant) -> None:
    settings = tenant.model_dump_json()
    statement = insert(connection, table).values(name=tenant.name, settings=settings)
    connection.execute(
        statement.on_conflict_do_update(index_elements=[table.c.name], set_={"settings": settings})
    )
