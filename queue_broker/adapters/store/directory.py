"""Tenants, live: set by somebody, or seen on a job."""

from __future__ import annotations

from sqlalchemy import Connection, select

from headgate.tenancy import Tenant
from queue_broker.adapters.store.dialects import insert
from queue_broker.adapters.store.schema import tenants as table


def tenants(connection: Connection) -> list[Tenant]:
    found = connection.execute(select(table).order_by(table.c.name))
    return [Tenant(name=row.name, weight=row.weight, parent=row.parent) for row in found]


def put_tenant(connection: Connection, tenant: Tenant) -> None:
    values = tenant.model_dump()
    statement = insert(connection, table).values(**values)
    changed = {"weight": tenant.weight, "parent": tenant.parent}
    connection.execute(statement.on_conflict_do_update(index_elements=[table.c.name], set_=changed))
