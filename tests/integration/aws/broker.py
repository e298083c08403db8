"""A broker whose engine is AWS Batch, over the stand-in; its process can die at any call."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headgate.errors import Unavailable
from headgate.job import Job
from headgate.resources import ResourceRequest
from predictor.predictor import Predictor
from queue_broker.adapters.engines.aws.clients import Clients
from queue_broker.adapters.engines.aws.engine import AwsEngine
from queue_broker.adapters.registry import FolderRegistry
from queue_broker.adapters.store.shelf import SqlShelf
from queue_broker.adapters.store.standings import SqlDescriber
from queue_broker.adapters.store.store import SqlStore
from queue_broker.core.forecast import Forecaster
from queue_broker.core.parameters import Parameters
from queue_broker.main import Broker, Parts, wire
from queue_broker.records import Event, HandOver, JobId, Leak, Submission
from queue_broker.settings import AwsSettings, Settings


class Killed(BaseException):
    """The broker's process died."""


class Mortal(AwsEngine):
    """Dies now and then after AWS did what it was asked, and before the store hears of it."""

    deaths: Callable[[], bool] = staticmethod(lambda: False)

    def hand_over(self, leaks: Sequence[Leak]) -> list[HandOver]:
        answers = super().hand_over(leaks)
        self._maybe_die()
        return answers

    def acknowledge(self, events: Sequence[Event]) -> None:
        self._maybe_die()
        super().acknowledge(events)

    def _maybe_die(self) -> None:
        if self.deaths():
            raise Killed


@dataclass(slots=True)
class Rumours:
    """An SQS queue whose events come late, twice, and out of order: whatever was ever true."""

    batch: Any
    rng: random.Random
    waiting: list[str] = field(default_factory=list)
    told: int = 0

    def overhear(self, leaks: Sequence[Leak]) -> None:
        """The states of some children of some leaks, as they are now, to be told some time."""
        known = [leak for leak in leaks if leak.engine_id]
        for leak in self.rng.sample(known, min(3, len(known))):
            index = self.rng.randrange(len(leak.tasks))
            child = f"{leak.engine_id}:{index}" if len(leak.tasks) > 1 else leak.engine_id
            for detail in self.batch.describe_jobs(jobs=[child])["jobs"]:
                event = {"detail-type": "Batch Job State Change", "detail": detail}
                self.waiting += [json.dumps(event, default=str)] * 2
        self.rng.shuffle(self.waiting)

    def receive_message(self, **_: Any) -> dict[str, Any]:
        now, self.waiting = self.waiting[:4], self.waiting[4:]
        self.told += len(now)
        return {"Messages": [{"Body": body, "ReceiptHandle": "r"} for body in now]}

    def delete_message_batch(self, **_: Any) -> dict[str, Any]:
        return {}


class AwsBroker:
    """The broker's parts; `die` and what follows is a new process on the same store."""

    def __init__(self, url: str, folder: Path, settings: AwsSettings, clients: Clients) -> None:
        self.url, self.folder = url, folder
        self.settings, self.clients = settings, clients
        self.deaths: Callable[[], bool] = lambda: False
        self.lives = 0
        self.broker: Broker
        self.live()

    def live(self) -> None:
        self.lives += 1
        store = SqlStore(self.url)
        registry = FolderRegistry(self.folder / "models")
        parameters = Parameters(store)
        engine = Mortal(self.settings, self.clients, parameters.of, time.time)
        engine.deaths = self._dies
        parts = Parts(
            store=store,
            shelf=SqlShelf(store.database),
            describer=SqlDescriber(store.database),
            engine=engine,
            registry=registry,
            forecaster=Forecaster(Predictor(), registry),
            parameters=parameters,
        )
        self.broker = wire(Settings(data_dir=self.folder), time.time, parts)

    def _dies(self) -> bool:
        return self.deaths()

    def die(self) -> None:
        """Nothing is finished; the operating system takes back threads and connections."""
        self.broker.engine.close()
        self.broker.store.close()

    def turn(self) -> None:
        """A pass of the cycle, in this life or the next."""
        try:
            self.broker.lead()
        except Unavailable:
            pass
        except Killed:
            self.die()
            self.live()

    def sweep(self, name: str, size: int, **more: Any) -> JobId:
        """Submit a sweep told apart by index."""
        asked = ResourceRequest(vcpu=1, memory_mib=512)
        job = Job(name=name, command=("work",), resources=asked, **more)
        job_id = JobId(f"sweep-{name}")
        self.broker.store.add(
            [Submission(job_id, job, "acme", "sweep", time.time(), "d", size, array=True)]
        )
        return job_id

    def close(self) -> None:
        self.die()
