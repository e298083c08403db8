"""GET /metrics: what Prometheus scrapes. Gauges of now, made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version

from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import Response

from headgate.errors import Unavailable
from queue_broker.api.services import Services, Serving

#: So many groups of each tenant in each tier are looked at for the longest wait: its queue's first.
HEADS = 20

router = APIRouter(tags=["fleet"])


@router.get("/metrics", response_class=Response)
def metrics(services: Serving) -> Response:
    """What waits, runs and is wrong, for Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Gauges(services))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


@dataclass(frozen=True, eq=False)
class Gauges(Collector):
    """The broker's, by its own names."""

    services: Services

    def collect(self) -> Iterator[Metric]:
        services = self.services
        yield self._info()
        ready, troubles = float(not services.problems()), len(services.troubles())
        yield gauge("ready", "1 where the cycle turns, as /readyz has it.", value=ready)
        yield gauge("troubles", "What is wrong beside that; /readyz names it.", value=troubles)
        yield from there(self._tasks)
        yield from there(self._waits)
        yield from there(self._lanes)

    def _info(self) -> Metric:
        told = gauge("info", "The broker's version, and the model that speaks.", "version", "model")
        model = self.services.insights.registry.current_version() or "none"
        told.add_metric([version("headgate"), model], 1)
        return told

    def _tasks(self) -> Iterator[Metric]:
        by = ("tier", "tenant", "state")
        told = gauge("tasks", "Unfinished tasks by tier, tenant and state.", *by)
        for one in self.services.store.backlog():
            for state, count in one.counts.items():
                told.add_metric([one.tier, one.tenant, state.value], count)
        yield told

    def _waits(self) -> Iterator[Metric]:
        told = gauge("oldest_wait_seconds", "The longest wait for a first turn, by tier.", "tier")
        now_s = self.services.limits.clock()
        for tier, queued_at_s in sorted(self.services.store.waits(HEADS).items()):
            told.add_metric([tier], max(0.0, now_s - queued_at_s))
        yield told

    def _lanes(self) -> Iterator[Metric]:
        many = gauge("lane_instances", "Instances that a lane has or may have.", "lane")
        running = gauge(
            "lane_instances_running", "Those that run, where the engine says so.", "lane"
        )
        closed = gauge("lane_closed", "1 where nothing is leaked into the lane just now.", "lane")
        for lane in self.services.insights.engine.lanes():
            many.add_metric([lane.name], lane.instances)
            closed.add_metric([lane.name], float(lane.closed is not None))
            if lane.running is not None:
                running.add_metric([lane.name], lane.running)
        yield from (many, running, closed)


def there(family: Callable[[], Iterator[Metric]]) -> list[Metric]:
    """What can be told: while the store or AWS is away, the rest says so."""
    try:
        return list(family())
    except Unavailable:
        return []


def gauge(name: str, words: str, *labels: str, value: float | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"headgate_{name}", words, value=value, labels=labels or None)
