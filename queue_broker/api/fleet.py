"""What is shared: the queue, tenants, tiers and models; and whether the broker is well."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from headgate.errors import Unavailable
from headgate.tenancy import Tenant, Tier
from headgate.views import Models, QueueView
from queue_broker.api.services import Serving
from queue_broker.core.insights import MOST_A_PAGE

router = APIRouter(tags=["fleet"])
health = APIRouter(tags=["health"])


@router.get("/queue")
def queue(services: Serving, limit: Annotated[int, Query(ge=1, le=MOST_A_PAGE)] = 100) -> QueueView:
    """What waits and runs, by tier and tenant, and the reasons that hold what waits."""
    return services.insights.queue(limit)


@router.get("/tenants")
def tenants(services: Serving) -> list[Tenant]:
    """All tenants that were ever set or seen."""
    return services.insights.tenants()


@router.get("/tiers")
def tiers(services: Serving) -> list[Tier]:
    """The classes of urgency, as they are now."""
    return services.insights.tiers()


@router.get("/models")
def models(services: Serving) -> Models:
    """The published models, and the one that speaks now."""
    return services.insights.models()


@health.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok", "service": "headgate"}


@health.get("/readyz")
def readyz(services: Serving) -> dict[str, str]:
    """The store answers and the cycle turns; else 503 with what is wrong. `but` is what is wrong
    beside that."""
    services.store.ping()
    if problems := services.problems():
        raise Unavailable("; ".join(problems))
    troubles = services.troubles()
    return {"status": "ready"} | ({"but": "; ".join(troubles)} if troubles else {})
