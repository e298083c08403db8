"""GET /jobs and all that hangs on one job."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from headgate.job import MAX_SWEEP_SIZE, Name, TenantName
from headgate.lifecycle import State
from headgate.usage import Usage
from headgate.value import Value
from headgate.views import (
    AttemptView,
    JobList,
    JobView,
    LogText,
    ResultList,
    Shape,
    TaskList,
    TaskView,
)
from queue_broker.api.services import PRINTABLE, PathId, Serving
from queue_broker.core.insights import MOST_A_PAGE
from queue_broker.core.results import MOST_RESULTS
from queue_broker.records import JobId

router = APIRouter(tags=["jobs"])

#: The longest long poll.
MOST_WAIT_S = 60.0
#: Between two looks at a job that somebody waits for: often at first, for those that end at once.
FIRST_LOOK_S = 0.05
LATER_LOOK_S = 1.0

Limit = Annotated[int, Query(ge=1, le=MOST_A_PAGE)]


class Filters(Value):
    """Which jobs to list."""

    tenant: TenantName | None = None
    tier: Name | None = None
    queue: Name | None = None
    name: Name | None = None
    state: State | None = None
    after: str | None = Field(default=None, max_length=128, pattern=PRINTABLE)
    limit: int = Field(default=100, ge=1, le=MOST_A_PAGE)


@router.get("/jobs")
def jobs(services: Serving, filters: Annotated[Filters, Query()]) -> JobList:
    """Jobs, newest first."""
    return services.insights.jobs(**filters.model_dump(mode="json"))


@router.get("/jobs/{job_id}")
async def job(
    job_id: PathId,
    services: Serving,
    wait_s: Annotated[float, Query(ge=0, le=MOST_WAIT_S)] = 0,
    seen: str | None = None,
) -> JobView:
    """A job. With `wait_s`, as soon as it has another revision than `seen`, or has finished."""
    deadline = time.monotonic() + wait_s
    pause_s = FIRST_LOOK_S
    while True:
        view = await run_in_threadpool(services.insights.job, JobId(job_id))
        left_s = deadline - time.monotonic()
        if view.finished or (seen and view.revision != seen) or left_s <= 0 or services.stopping():
            return view
        await asyncio.sleep(min(pause_s, left_s))
        pause_s = min(LATER_LOOK_S, pause_s * 1.3)


@router.get("/jobs/{job_id}/estimate")
def shapes(job_id: PathId, services: Serving) -> list[Shape]:
    """What the predictor foretold, by shape, with the tasks that wait and what holds them."""
    return services.insights.shapes(JobId(job_id))


@router.get("/jobs/{job_id}/tasks")
def tasks(
    job_id: PathId,
    services: Serving,
    state: State | None = None,
    after: Annotated[int, Query(ge=-1, le=MAX_SWEEP_SIZE)] = -1,
    limit: Limit = 100,
) -> TaskList:
    """Tasks by ascending index."""
    return services.insights.tasks(JobId(job_id), state, after, limit)


@router.get("/jobs/{job_id}/results")
def results(
    job_id: PathId,
    services: Serving,
    after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_RESULTS)] = MOST_RESULTS,
) -> ResultList:
    """Every attempt that ended, oldest first; the answer's `next` is the next call's `after`."""
    return services.insights.results(JobId(job_id), after, limit)


@router.get("/jobs/{job_id}/tasks/{index}")
def task(job_id: PathId, index: int, services: Serving) -> TaskView:
    """One task."""
    return services.insights.task(JobId(job_id), index)


@router.get("/jobs/{job_id}/tasks/{index}/attempts")
def attempts(job_id: PathId, index: int, services: Serving) -> list[AttemptView]:
    """All attempts of a task, oldest first."""
    return services.insights.attempts(JobId(job_id), index)


@router.get("/jobs/{job_id}/tasks/{index}/logs")
def logs(
    job_id: PathId,
    index: int,
    services: Serving,
    after: str | None = None,
    attempt: Annotated[int | None, Query(ge=1)] = None,
) -> LogText:
    """A piece of the output; the answer's `next` is the next call's `after`."""
    return services.insights.logs(JobId(job_id), index, after, attempt)


@router.get("/jobs/{job_id}/tasks/{index}/usage")
def usage(job_id: PathId, index: int, services: Serving) -> Usage | None:
    """What the last attempt that ended really used."""
    return services.insights.usage(JobId(job_id), index)
