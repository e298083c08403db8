"""boto3 itself against a broker in this process: its requests go to the application, not to a port.

The engine is the instant one, and the cycle turns when a test says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from fastapi import FastAPI

from headgate.resources import Resources
from predictor.predictor import Predictor
from queue_broker.adapters.engines.instant import InstantEngine
from queue_broker.adapters.registry import FolderRegistry
from queue_broker.adapters.store.shelf import SqlShelf
from queue_broker.adapters.store.standings import SqlDescriber
from queue_broker.adapters.store.store import SqlStore
from queue_broker.broker import Broker
from queue_broker.core.forecast import Forecaster
from queue_broker.core.parameters import Parameters
from queue_broker.main import Parts, application, wire, wire_protocol
from queue_broker.ports import Upstream
from queue_broker.records import JobId, JobRecord, Lane
from queue_broker.settings import Settings
from queue_broker.wire.check import of_type
from queue_broker.wire.model import operations
from queue_broker.wire.mount import mount
from tests.factories import START_S

REGION = "eu-central-1"
ACCOUNT = "123456789012"
#: What the broker tells beyond AWS's model (docs/reference/wire.md).
EXTENSIONS = {"GetJobQueueSnapshot.frontOfQueue.jobs.reason"}


@dataclass(slots=True)
class Clock:
    """A clock that stands until it is set."""

    now_s: float = START_S

    def __call__(self) -> float:
        return self.now_s


class Body:
    """What botocore reads an answer's body from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        yield self._content


class Batch:
    """A broker and boto3's clients of it."""

    def __init__(
        self, url: str, folder: Path, upstream: Upstream | None = None, **settings: Any
    ) -> None:
        self.clock = Clock()
        self.upstream = upstream
        self.settings = Settings(data_dir=folder, **settings)
        self.engine = InstantEngine([Lane("lane", Resources(64, 2**18, 8))], self.clock)
        store = SqlStore(url, self.clock)
        self.broker: Broker = wire(
            self.settings,
            self.clock,
            Parts(
                store=store,
                shelf=SqlShelf(store.database),
                describer=SqlDescriber(store.database),
                engine=self.engine,
                registry=FolderRegistry(folder / "models"),
                forecaster=Forecaster(Predictor(), FolderRegistry(folder / "models")),
                parameters=Parameters(store),
            ),
        )
        self.loop = asyncio.new_event_loop()
        self.http = self._serve()
        self.client: Any = self.speak("batch")

    def _serve(self) -> httpx.AsyncClient:
        app = application(self.broker)
        if self.upstream is not None:
            app = FastAPI()
            mount(app, replace(wire_protocol(self.broker), upstream=self.upstream))
        transport = httpx.ASGITransport(app)
        return httpx.AsyncClient(transport=transport, base_url="http://broker")

    def restart(self) -> None:
        """Serve anew: what the application remembered is forgotten."""
        self.loop.run_until_complete(self.http.aclose())
        self.http = self._serve()

    def speak(self, service: str, key: str = "key", secret: str = "s", **more: Any) -> Any:  # noqa: S107 - nobody looks
        """A client of boto3, whose requests are answered here; they are never tried again."""
        client: Any = boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url="http://broker",
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}, **more),
        )
        client.meta.events.register("before-send", self._send)
        return client

    def send(
        self, method: str, url: str, content: bytes, headers: dict[str, str]
    ) -> httpx.Response:
        """A raw request, as another client might send it."""
        request = self.http.build_request(method, url, content=content, headers=headers)
        return self.loop.run_until_complete(self.http.send(request))

    def _send(self, request: AWSPreparedRequest, **kwargs: Any) -> AWSResponse:
        del kwargs
        headers = {name: as_text(value) for name, value in request.headers.items()}
        body = request.body or b""
        content = body if isinstance(body, bytes) else str(body).encode()
        answer = self.send(request.method, request.url, content, headers)
        if answer.status_code == 200 and "/v1/" in request.url:
            check_answer(request.method, httpx.URL(request.url).path, answer.json())
        return AWSResponse(request.url, answer.status_code, answer.headers, Body(answer.content))  # type: ignore[arg-type]

    def turn(self) -> None:
        """Turn the cycle until nothing moves any more; what is stopped ends only one pass later."""
        idle = 0
        while idle < 2:
            idle = 0 if self.broker.cycle.run_once().busy else idle + 1

    def define(self, name: str = "plain", **more: Any) -> str:
        """Register a job definition; its ARN."""
        container = {"image": "busybox", "vcpus": 1, "memory": 128, "command": ["echo", "hello"]}
        given = {"type": "container", "containerProperties": container} | more
        answer = self.client.register_job_definition(jobDefinitionName=name, **given)
        return str(answer["jobDefinitionArn"])

    def submit(self, **more: Any) -> str:
        """Submit a job; its id."""
        given = {"jobName": "job", "jobQueue": "default", "jobDefinition": "plain"} | more
        return str(self.client.submit_job(**given)["jobId"])

    def describe(self, job_id: str) -> dict[str, Any]:
        found = self.client.describe_jobs(jobs=[job_id])["jobs"]
        assert len(found) == 1, f"{job_id} is not known"
        return dict(found[0])

    def close(self) -> None:
        self.loop.run_until_complete(self.http.aclose())
        self.loop.run_until_complete(self.broker.submitter.commit.close())
        self.loop.close()
        self.broker.store.close()


def check_answer(method: str, path: str, answer: Any) -> None:
    """Fail on any member that AWS's model does not have, or has with another type."""
    path = "/v1/tags/{resourceArn}" if path.startswith("/v1/tags/") else path
    found = next(one for one in operations() if (one.method, one.path) == (method, path))
    foreign = list(foreign_to(found.answers, answer, found.name)) if found.answers else []
    assert set(foreign) <= EXTENSIONS, f"AWS answers no {foreign}"


def foreign_to(shape: Any, value: Any, path: str) -> Iterator[str]:
    """The members of an answer that the model does not have, or has with another type."""
    kind = shape.type_name
    if kind == "structure":
        assert isinstance(value, dict), path
        yield from (f"{path}.{name}" for name in value if name not in shape.members)
        for name, member in shape.members.items():
            if name in value:
                yield from foreign_to(member, value[name], f"{path}.{name}")
    elif kind == "list":
        for one in value:
            yield from foreign_to(shape.member, one, path)
    elif kind == "map":
        for one in value.values():
            yield from foreign_to(shape.value, one, path)
    elif not of_type(kind, value):
        yield f"{path} as {value!r}"


def as_text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def refusal(error: ClientError) -> tuple[str, int, str]:
    """Code, HTTP status and words of what boto3 raised."""
    response: Any = error.response
    told = response["Error"]
    return told["Code"], response["ResponseMetadata"]["HTTPStatusCode"], told["Message"]


def an_environment(client: Any, name: str = "env") -> str:
    made = client.create_compute_environment(
        computeEnvironmentName=name, type="UNMANAGED", serviceRole="role"
    )
    return str(made["computeEnvironmentArn"])


def record(batch: Batch, job_id: str) -> JobRecord:
    return batch.broker.store.job(JobId(job_id))
