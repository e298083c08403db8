"""POST /jobs/{id}/cancel, retry, priority and move: what people want done to a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self, TypeVar

from fastapi import APIRouter, Request
from pydantic import Field, model_validator
from starlette.concurrency import run_in_threadpool

from headgate.job import TenantName
from headgate.validation import refuse
from headgate.value import Value
from headgate.views import Cancelled, Changed, JobView
from queue_broker.api.bodies import json_body, parsed
from queue_broker.api.services import Asking, PathId, Services, Serving
from queue_broker.core.insights import show_tasks, tasks_of
from queue_broker.core.submit import Caller
from queue_broker.records import JobId
from queue_broker.settings import tier_named

T = TypeVar("T")

router = APIRouter(tags=["steer"])


class Cancel(Value):
    """Which tasks (`0-99,200`; none: all), and why."""

    tasks: str | None = None
    reason: str = Field(
        default="cancelled by its user", min_length=1, max_length=512, pattern=r"^[^\x00]+$"
    )


class Retry(Value):
    """Which of the failed tasks to try again (`0-99,200`; none: all)."""

    tasks: str | None = None


class Priority(Value):
    """The new order within the tenant; higher goes first."""

    priority: int = Field(ge=0, le=9999)


class Move(Value):
    """Where to."""

    tenant: TenantName | None = None
    tier: str | None = None

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if self.tenant is None and self.tier is None:
            refuse("tenant", "neither", "a tenant, a tier or both")
        return self


@router.post("/jobs/{job_id}/cancel", openapi_extra=json_body(Cancel))
async def cancel(job_id: PathId, request: Request, services: Serving, caller: Asking) -> Cancelled:
    """Cancel a job, or some of its tasks. Waiting ones fail at once, running ones are stopped."""
    wish = await parsed(request, Cancel)
    tasks = tasks_of(wish.tasks)

    def change(wanted: JobId) -> Cancelled:
        reached = services.store.cancel(wanted, tasks, wish.reason)
        return Cancelled(tasks=show_tasks(reached), count=len(reached))

    return await carry_out(services, caller, JobId(job_id), change)


@router.post("/jobs/{job_id}/retry", openapi_extra=json_body(Retry))
async def retry(job_id: PathId, request: Request, services: Serving, caller: Asking) -> Changed:
    """Try failed tasks again, from a fresh first attempt."""
    tasks = tasks_of((await parsed(request, Retry)).tasks)

    def change(wanted: JobId) -> Changed:
        return Changed(count=services.store.retry_failed(wanted, tasks))

    return await carry_out(services, caller, JobId(job_id), change)


@router.post("/jobs/{job_id}/priority", openapi_extra=json_body(Priority))
async def priority(job_id: PathId, request: Request, services: Serving, caller: Asking) -> JobView:
    """Change the order of a job's waiting tasks within its tenant."""
    wish = await parsed(request, Priority)

    def change(wanted: JobId) -> JobView:
        services.store.set_priority(wanted, wish.priority)
        return services.insights.job(wanted)

    return await carry_out(services, caller, JobId(job_id), change)


@router.post("/jobs/{job_id}/move", openapi_extra=json_body(Move))
async def move(job_id: PathId, request: Request, services: Serving, caller: Asking) -> JobView:
    """Move a job's waiting tasks to another tenant or tier."""
    wish = await parsed(request, Move)

    def change(wanted: JobId) -> JobView:
        if wish.tenant is not None:
            services.submitter.allow(caller, wish.tenant)
        if wish.tier is not None:
            tier_named(wish.tier, services.insights.tiers())
        services.store.move(wanted, wish.tenant, wish.tier)
        return services.insights.job(wanted)

    return await carry_out(services, caller, JobId(job_id), change)


async def carry_out(
    services: Services, caller: Caller, job_id: JobId, change: Callable[[JobId], T]
) -> T:
    """Do it in a thread if the caller may, and have the cycle look at once."""

    def allowed() -> T:
        services.may_change(caller, job_id)
        return change(job_id)

    done = await run_in_threadpool(allowed)
    services.changed()
    return done
