"""GET /metrics: what Prometheus scrapes, in its text format 0.0.4. Gauges of now; no state kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import NamedTuple

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from queue_broker.api.services import Services, Serving

router = APIRouter(tags=["fleet"])

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Sample(NamedTuple):
    """One value, told apart from its metric's others by labels."""

    labels: Mapping[str, str]
    value: float


class Metric(NamedTuple):
    """A gauge, what it means, and its values."""

    name: str
    help: str
    samples: Iterable[Sample]


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(services: Serving) -> PlainTextResponse:
    """What waits, runs and is wrong, for Prometheus."""
    text = "".join(line + "\n" for metric in gauges(services) for line in lines(metric))
    return PlainTextResponse(text, media_type=CONTENT_TYPE)


def gauges(services: Services) -> Iterator[Metric]:
    insights, lanes = services.insights, services.insights.engine.lanes()
    model = insights.registry.current_version() or "none"
    about = {"version": version("headgate"), "model": model}
    yield Metric("info", "The broker's version, and the model that speaks.", [Sample(about, 1)])
    ready = Sample({}, float(not services.problems()))
    yield Metric("ready", "1 where the cycle turns, as /readyz has it.", [ready])
    troubles = Sample({}, len(services.troubles()))
    yield Metric("troubles", "What is wrong beside that; /readyz names it.", [troubles])
    yield Metric("tasks", "Unfinished tasks by tier, tenant and state.", tasks(services))
    many = [Sample({"lane": lane.name}, lane.instances) for lane in lanes]
    yield Metric("lane_instances", "Instances that a lane has or may have.", many)
    running = [
        Sample({"lane": lane.name}, lane.running) for lane in lanes if lane.running is not None
    ]
    yield Metric("lane_instances_running", "Those that run, where the engine says so.", running)
    closed = [Sample({"lane": lane.name}, float(lane.closed is not None)) for lane in lanes]
    yield Metric("lane_closed", "1 where nothing is leaked into the lane just now.", closed)


def tasks(services: Services) -> Iterator[Sample]:
    for one in services.store.backlog():
        for state, count in one.counts.items():
            yield Sample({"tier": one.tier, "tenant": one.tenant, "state": state.value}, count)


def lines(metric: Metric) -> Iterator[str]:
    name = f"headgate_{metric.name}"
    yield f"# HELP {name} {metric.help}"
    yield f"# TYPE {name} gauge"
    for labels, value in metric.samples:
        told = ",".join(f'{key}="{text.translate(ESCAPES)}"' for key, text in labels.items())
        yield f"{name}{{{told}}} {value:.15g}" if told else f"{name} {value:.15g}"
