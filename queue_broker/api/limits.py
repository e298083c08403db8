"""PUT /tenants/{name}, /tiers and /windows/{lane}: limits that count from the next pass on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from headgate.errors import Forbidden, InvalidInput
from headgate.tenancy import Tenant, Tier
from headgate.value import Value
from queue_broker.api.bodies import json_body, parsed
from queue_broker.api.services import Asking, Services, Serving
from queue_broker.core.limits import Limits, Tiers
from queue_broker.core.submit import Caller
from queue_broker.core.trail import Change

router = APIRouter(tags=["limits"])


class Window(Value):
    """The most predicted seconds that may wait in a lane; null: the window adapts freely."""

    most_s: float | None = Field(gt=0, allow_inf_nan=False)


@router.put("/tenants/{name}", openapi_extra=json_body(Tenant))
async def put_tenant(name: str, request: Request, services: Serving, caller: Asking) -> Tenant:
    """Create or change a tenant. A token may change the tenants below its own."""
    tenant = await parsed(request, Tenant)
    if tenant.name != name:
        raise InvalidInput.of("name", tenant.name, f"{name!r}, as in the path")
    may_change_tenant(services, caller, tenant)
    await change(services, lambda limits: limits.set_tenant(tenant, who(caller)))
    return tenant


@router.put("/tiers", openapi_extra=json_body(Tiers))
async def put_tiers(request: Request, services: Serving, caller: Asking) -> list[Tier]:
    """Change the tiers as a whole."""
    tiers = (await parsed(request, Tiers)).tiers
    only_where_open(caller)
    await change(services, lambda limits: limits.set_tiers(tiers, who(caller)))
    return list(tiers)


@router.put("/windows/{lane}", openapi_extra=json_body(Window))
async def put_window(lane: str, request: Request, services: Serving, caller: Asking) -> Window:
    """Bound what may wait in a lane; the window still adapts below that."""
    window = await parsed(request, Window)
    only_where_open(caller)
    await change(services, lambda limits: limits.set_window(lane, window.most_s, who(caller)))
    return window


@router.get("/limits/changes")
def changes(services: Serving, limit: int = 100) -> list[Change]:
    """Who changed which limit, newest first."""
    return services.limits.changes(max(1, min(limit, 1000)))


async def change(services: Services, wish: Callable[[Limits], Any]) -> None:
    await run_in_threadpool(wish, services.limits)
    services.changed()


def who(caller: Caller) -> str:
    return caller.tenant or "anyone"


def may_change_tenant(services: Services, caller: Caller, tenant: Tenant) -> None:
    """A tenant does not raise its own weight: it steers those below it."""
    if caller.tenant is None:
        return
    if tenant.name == caller.tenant or tenant.parent is None:
        raise Forbidden(f"tenant {caller.tenant!r} may change the tenants below it alone")
    services.submitter.allow(caller, tenant.parent)
    if any(known.name == tenant.name for known in services.insights.tenants()):
        services.submitter.allow(caller, tenant.name)


def only_where_open(caller: Caller) -> None:
    """Tiers and windows are everybody's; no tenant's token decides on them."""
    if caller.tenant is not None:
        raise Forbidden("no tenant may change this; `headgate tenants` on the broker's host can")
