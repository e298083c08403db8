"""Every request of the native API, as a value."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter

from headgate.errors import InvalidInput
from headgate.flows import PATIENCE_S, Body, Call
from headgate.job import Job
from headgate.lifecycle import State
from headgate.sweep import Sweep
from headgate.usage import Usage
from headgate.views import (
    AttemptView,
    Cancelled,
    Changed,
    Foretold,
    JobList,
    JobView,
    LogText,
    Models,
    QueueView,
    ResultList,
    Shape,
    Submitted,
    TaskList,
    TaskView,
    View,
)

V = TypeVar("V", bound=View)

JSON = {"content-type": "application/json"}
ATTEMPTS = TypeAdapter(list[AttemptView])
SHAPES = TypeAdapter(list[Shape])
USAGE: TypeAdapter[Usage | None] = TypeAdapter(Usage | None)


def submit(job: Job) -> Call[Submitted]:
    return _submission("/jobs", job.model_dump_json(exclude_unset=True))


def submit_sweep(sweep: Sweep) -> Call[Submitted]:
    return _submission("/sweeps", sweep.model_dump_json(exclude_unset=True))


def _submission(path: str, body: str) -> Call[Submitted]:
    return replace(_post(path, Submitted, body), patience_s=PATIENCE_S)


def submit_table(content_type: str, body: Body, repeatable: bool) -> Call[Submitted]:
    """`body` is the template as one line of JSON and then the table (docs/reference/api.md)."""
    return Call(
        "POST",
        "/sweeps/table",
        Submitted.model_validate_json,
        body=body,
        headers={"content-type": content_type},
        repeatable=repeatable,
        wait_s=600,
    )


def job(job_id: str, wait_s: float = 0, seen: str | None = None) -> Call[JobView]:
    """The job; with `wait_s`, as soon as it has another revision than `seen`, or has finished."""
    query = _given(wait_s=wait_s or None, seen=seen)
    return Call("GET", _job(job_id), JobView.model_validate_json, query=query, wait_s=wait_s)


def jobs(**filters: str | int | None) -> Call[JobList]:
    """Newest first. Filters: tenant, tier, queue, name, state, after, limit."""
    return Call("GET", "/jobs", JobList.model_validate_json, query=_given(**filters))


def tasks(job_id: str, state: State | None, after: int, limit: int) -> Call[TaskList]:
    query = _given(state=state, after=after, limit=limit)
    return Call("GET", f"{_job(job_id)}/tasks", TaskList.model_validate_json, query=query)


def results(job_id: str, after: int) -> Call[ResultList]:
    query = _given(after=after)
    return Call("GET", f"{_job(job_id)}/results", ResultList.model_validate_json, query=query)


def task(job_id: str, index: int) -> Call[TaskView]:
    return Call("GET", _task(job_id, index), TaskView.model_validate_json)


def attempts(job_id: str, index: int) -> Call[list[AttemptView]]:
    return Call("GET", f"{_task(job_id, index)}/attempts", ATTEMPTS.validate_json)


def logs(job_id: str, index: int, after: str | None, attempt: int | None) -> Call[LogText]:
    query = _given(after=after, attempt=attempt)
    return Call("GET", f"{_task(job_id, index)}/logs", LogText.model_validate_json, query=query)


def usage(job_id: str, index: int) -> Call[Usage | None]:
    return Call("GET", f"{_task(job_id, index)}/usage", USAGE.validate_json)


def shapes(job_id: str) -> Call[list[Shape]]:
    return Call("GET", f"{_job(job_id)}/estimate", SHAPES.validate_json)


def cancel(job_id: str, tasks: str | None, reason: str) -> Call[Cancelled]:
    return _wish(job_id, "cancel", Cancelled, tasks=tasks, reason=reason)


def retry(job_id: str, tasks: str | None) -> Call[Changed]:
    # Not repeatable: a task may have failed again between a lost answer and the second try.
    return _wish(job_id, "retry", Changed, repeatable=False, tasks=tasks)


def set_priority(job_id: str, priority: int) -> Call[JobView]:
    return _wish(job_id, "priority", JobView, priority=priority)


def move(job_id: str, tenant: str | None, tier: str | None) -> Call[JobView]:
    return _wish(job_id, "move", JobView, tenant=tenant, tier=tier)


def estimate(job: Job) -> Call[Foretold]:
    return _post("/estimate", Foretold, job.model_dump_json(exclude_unset=True))


def queue(limit: int) -> Call[QueueView]:
    return Call("GET", "/queue", QueueView.model_validate_json, query={"limit": limit})


def models() -> Call[Models]:
    return Call("GET", "/models", Models.model_validate_json)


def _post(path: str, answer: type[V], body: str, repeatable: bool = True) -> Call[V]:
    return Call(
        "POST",
        path,
        partial(_read, answer),
        body=body.encode(),
        headers=JSON,
        repeatable=repeatable,
    )


def _read(answer: type[V], body: bytes) -> V:
    return answer.model_validate_json(body)


def _wish(
    job_id: str, verb: str, answer: type[V], repeatable: bool = True, **wish: str | int | None
) -> Call[V]:
    body = TypeAdapter(dict[str, Any]).dump_json(_given(**wish)).decode()
    return _post(f"{_job(job_id)}/{verb}", answer, body, repeatable)


def _given(**query: str | int | float | None) -> dict[str, str | int | float]:
    return {name: value for name, value in query.items() if value is not None}


def _job(job_id: object) -> str:
    if not isinstance(job_id, str) or not job_id:  # the path would lead elsewhere
        raise InvalidInput.of("job_id", job_id, "the id that a submission gave")
    return f"/jobs/{quote(job_id, safe='')}"


def _task(job_id: str, index: int) -> str:
    return f"{_job(job_id)}/tasks/{index}"
