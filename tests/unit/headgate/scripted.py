"""A broker that answers from a script, for the tests of the SDK."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx

from headgate import Client, Job
from headgate.lifecycle import State

JOB = Job(name="train", command=("true",))
Handler = Callable[[httpx.Request], httpx.Response]


def a_client(handler: Handler, token: str | None = None) -> Client:
    return Client("http://broker", token, httpx.MockTransport(handler))


def a_job(state: State = State.RUNNING, size: int = 1, **fields: object) -> dict[str, object]:
    plain = {
        "job_id": "id",
        "name": "train",
        "state": state,
        "tenant": "acme",
        "tier": "sweep",
        "queue": "default",
        "priority": 0,
        "size": size,
        "array": size > 1,
        "counts": {state: size},
        "submitted_at_s": 0.0,
    }
    return plain | fields


class Broker:
    """Answers from a script, and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def body(self, place: int = 0) -> dict[str, object]:
        body: dict[str, object] = json.loads(self.requests[place].content)
        return body


def taken() -> httpx.Response:
    return httpx.Response(201, json={"job_id": "id"})
