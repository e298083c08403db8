"""POST /jobs, /sweeps, /sweeps/table and /estimate."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from headgate.job import Job
from headgate.sweep import Sweep
from headgate.validation import parse
from headgate.views import Foretold, Submitted
from queue_broker.api.bodies import MAX_SWEEP_BYTES, json_body, parsed, spool, spooled
from queue_broker.api.express import Endpoint
from queue_broker.api.services import Asking, Services, Serving, Tokens
from queue_broker.asked import Asked
from queue_broker.core.tables import Format, format_of
from queue_broker.records import Accepted

router = APIRouter(tags=["submit"])

TABLE_BODY = {
    "requestBody": {
        "required": True,
        "description": "The template (a Job) as one line of JSON, then the table; gzip is fine.",
        "content": {
            kind.value: {"schema": {"type": "string", "format": "binary"}} for kind in Format
        },
    }
}


def answer(accepted: Accepted) -> Response:
    """201 for what is new, 200 for what the client token has brought before."""
    body = Submitted(job_id=accepted.job_id, known=accepted.known).model_dump_json()
    status = 200 if accepted.known else 201
    return Response(body, status, media_type="application/json")


@router.post("/jobs", status_code=201, response_model=Submitted, openapi_extra=json_body(Job))
async def submit(request: Request, serving: Serving, asking: Asking) -> Response:
    """Submit one job. It is durable before the answer."""
    job = await parsed(request, Job)
    return answer(await serving.submitter.submit(job, asking))


def express(serving: Services, tokens: Tokens) -> Endpoint:
    """The same on the short way."""

    async def submit(asked: Asked) -> Response:
        asking = tokens.caller(asked.headers)
        job = parse(Job, asked.body)
        return answer(await serving.submitter.submit(job, asking))

    return submit


@router.post("/sweeps", status_code=201, response_model=Submitted, openapi_extra=json_body(Sweep))
async def submit_sweep(request: Request, serving: Serving, asking: Asking) -> Response:
    """Submit many tasks from one template: the grid's combinations, or `size` alike."""
    sweep = await parsed(request, Sweep, MAX_SWEEP_BYTES)
    return answer(await serving.submitter.submit(sweep, asking))


@router.post("/sweeps/table", status_code=201, response_model=Submitted, openapi_extra=TABLE_BODY)
async def submit_table(request: Request, serving: Serving, asking: Asking) -> Response:
    """Submit a task for each row of a table. All of it is accepted, or nothing."""
    kind = format_of(request.headers.get("content-type", ""))
    with spool() as file:
        job = parse(Job, await spooled(request, file))
        keep = serving.submitter.submit_table
        accepted = await run_in_threadpool(keep, job, asking, file, kind)
    serving.changed()
    return answer(accepted)


@router.post("/estimate", openapi_extra=json_body(Job))
async def estimate(request: Request, serving: Serving, asking: Asking) -> Foretold:
    """What a job would get if it were submitted now. Nothing is submitted."""
    job = await run_in_threadpool(serving.submitter.defined, await parsed(request, Job))
    tenant = await run_in_threadpool(serving.submitter.tenant_of, job, asking)
    return await run_in_threadpool(serving.insights.estimate, job, tenant)
