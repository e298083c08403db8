"""An engine over AWS Batch in memory, and the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from queue_broker.adapters.engines.aws.engine import AwsEngine
from queue_broker.events import Ended
from queue_broker.records import Leak
from queue_broker.settings import AwsSettings
from tests.unit.queue_broker.adapters.engines.aws.batch import FakeBatch, a_queue, clients_of
from tests.unit.queue_broker.adapters.engines.aws.leaks import a_leak


def nothing(leak: Leak, task: int) -> Mapping[str, object]:
    return {}


class Scene:
    """An engine, its AWS Batch, and the time."""

    def __init__(self, **settings: Any) -> None:
        self.now_s = 1_000.0
        self.batch = FakeBatch(queues={"lane": a_queue()})
        plain: dict[str, Any] = {
            "image": "busybox",
            "report_wait_s": 0.0,
            "lanes_s": 0.0,
            "children_s": 10.0,
        }
        self.settings = AwsSettings(**(plain | settings))
        self.others: dict[str, Any] = {}  #: other clients than Batch's
        self.engine = self.live()

    def live(self) -> AwsEngine:
        clients = clients_of(self.batch, self.settings, **self.others)
        return AwsEngine(self.settings, clients, nothing, lambda: self.now_s)

    def hand_over(self, *leaks: Leak) -> dict[str, str | None]:
        """Why each leak that was answered was refused; None of those that were taken."""
        return {one.leak: one.refused for one in self.engine.hand_over(leaks)}

    def later(self, passed_s: float) -> list[Ended]:
        """The ends that are seen after some time, acknowledged."""
        self.now_s += passed_s
        self.engine.lanes()
        events = self.engine.poll(1000)
        self.engine.acknowledge(events)
        return [event for event in events if isinstance(event, Ended)]

    @property
    def closed(self) -> str | None:
        (lane,) = self.engine.lanes()
        return lane.closed

    def submitted(self) -> list[str]:
        return [one["jobName"] for one in self.batch.jobs.values()]


def leaks(n: int) -> list[Leak]:
    return [replace(a_leak(array=False), name=f"job-{number}") for number in range(n)]
