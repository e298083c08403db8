"""AWS Batch as far as this machine has one: a broker that serves Batch's protocol over loopback.

What runs behind it is an engine of ours, so that jobs really start and end. Faults are put between:
a wrapper around the application throttles, fails, and loses answers after the deed.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from predictor.predictor import Predictor
from queue_broker.adapters.engines.aws.clients import Clients
from queue_broker.adapters.registry import FolderRegistry
from queue_broker.adapters.store.shelf import SqlShelf
from queue_broker.adapters.store.standings import SqlDescriber
from queue_broker.adapters.store.store import SqlStore
from queue_broker.broker import Broker
from queue_broker.core.forecast import Forecaster
from queue_broker.core.loops import Loop
from queue_broker.core.parameters import Parameters
from queue_broker.main import Parts, application, wire
from queue_broker.ports import Engine
from queue_broker.settings import AwsSettings, Settings
from tests.served import Server

REGION = "eu-central-1"
LANE = "local"
PATIENCE_S = 10.0


@dataclass(slots=True)
class Faults:
    """What goes wrong, as shares of the calls; drawn from a seed."""

    throttled: float = 0.0
    failed: float = 0.0  #: 500, and nothing was done
    lost: float = 0.0  #: 500 in place of the answer, and all was done
    seed: int = 1996
    counts: Counter[str] = field(default_factory=Counter)
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)


class Between:
    """Counts the calls by operation, and makes some of them go wrong."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self.faults = faults
        self.calls: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith("/v1/"):
            return await self._app(scope, receive, send)
        self.calls[path.removeprefix("/v1/")] += 1
        faults, draw = self.faults, self.faults.rng.random()
        if draw < faults.throttled:
            return await self._fail("TooManyRequestsException", 429, scope, receive, send)
        if draw < faults.throttled + faults.failed:
            return await self._fail("ServerException", 500, scope, receive, send)
        if draw < faults.throttled + faults.failed + faults.lost:

            async def nowhere(message: Any) -> None:
                del message

            await self._app(scope, receive, nowhere)
            return await self._fail("lost", 500, scope, receive, send)
        return await self._app(scope, receive, send)

    async def _fail(
        self, code: str, status: int, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.faults.counts[code] += 1
        answer = JSONResponse({"message": code}, status, {"x-amzn-ErrorType": code})
        await answer(scope, receive, send)


class StandIn:
    """A served broker with its cycle turning."""

    def __init__(
        self, url: str, folder: Path, engine: Engine, faults: Faults | None = None
    ) -> None:
        settings = Settings(data_dir=folder)
        store = SqlStore(url)
        registry = FolderRegistry(folder / "models")
        parts = Parts(
            store=store,
            shelf=SqlShelf(store.database),
            describer=SqlDescriber(store.database),
            engine=engine,
            registry=registry,
            forecaster=Forecaster(Predictor(), registry),
            parameters=Parameters(store),
        )
        self.broker: Broker = wire(settings, time.time, parts)
        self.between = Between(application(self.broker), faults or Faults())
        self._server = Server(self.between)
        self._loop = Loop("stand-in", self.broker.lead, 0.01)

    def open(self) -> str:
        """Start; the address."""
        address = self._server.open()
        self._loop.start()
        return address

    def close(self) -> None:
        self._loop.stop()
        self._server.close()
        self.broker.engine.close()
        self.broker.store.close()


def quick(address: str, **more: Any) -> AwsSettings:
    """Settings that wait for nothing, with Batch and its logs at an address."""
    waits = {"first_look_s": 0.0, "look_s": 0.02, "children_s": 0.02, "settle_s": 0.2}
    plain: dict[str, Any] = {"image": "busybox", "report_wait_s": 0.0, "lanes_s": 0.0}
    urls = {"batch": address, "logs": address}
    return AwsSettings(endpoint_urls=urls, **(waits | plain | more))


@cache
def session() -> boto3.Session:
    """One for all tests: reading the models of the services takes longer than most of them."""
    return boto3.Session("key", "secret", region_name=REGION)


def speak(settings: AwsSettings) -> Clients:
    return Clients(settings, session())


def make_lane(batch: Any, shape: str = "2/1024/0", name: str = LANE, most: int = 256) -> None:
    """A lane as `headgate lanes apply` makes it."""
    batch.create_compute_environment(
        computeEnvironmentName=name,
        type="MANAGED",
        computeResources={
            "type": "EC2",
            "minvCpus": 0,
            "maxvCpus": most,
            "instanceTypes": ["m6i.large"],
            "subnets": ["subnet-1"],
            "securityGroupIds": ["sg-1"],
            "instanceRole": "role",
        },
        tags={"headgate:stack": "headgate", "headgate:shape": shape},
    )
    batch.create_job_queue(
        jobQueueName=name,
        priority=1,
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": name}],
    )
