"""PUT /tenants/{name}, /tiers and /windows/{lane}: limits that count from the next pass on."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from headgate.errors import InvalidInput
from headgate.tenancy import Tenant, Tier
from headgate.value import Value
from queue_broker.api.bodies import json_body, parsed
from queue_broker.api.services import Asking, Serving
from queue_broker.core.limits import Tiers
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
    await run_in_threadpool(services.steering.set_tenant, tenant, caller)
    return tenant


@router.put("/tiers", openapi_extra=json_body(Tiers))
async def put_tiers(request: Request, services: Serving, caller: Asking) -> list[Tier]:
    """Change the tiers as a whole."""
    tiers = (await parsed(request, Tiers)).tiers
    await run_in_threadpool(services.steering.set_tiers, tiers, caller)
    return list(tiers)


@router.put("/windows/{lane}", openapi_extra=json_body(Window))
async def put_window(lane: str, request: Request, services: Serving, caller: Asking) -> Window:
    """Bound what may wait in a lane; the window still adapts below that."""
    window = await parsed(request, Window)
    await run_in_threadpool(services.steering.set_window, lane, window.most_s, caller)
    return window


@router.get("/limits/changes")
def changes(services: Serving, limit: int = 100) -> list[Change]:
    """Who changed which limit, newest first."""
    return services.limits.changes(max(1, min(limit, 1000)))
