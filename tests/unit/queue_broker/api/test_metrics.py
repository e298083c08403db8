"""What Prometheus scrapes, read by its own client's parser."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from headgate.job import Job
from tests.unit.queue_broker.api.serving import Edge


def scraped(http: httpx.Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """By name and labels; each once."""
    families = list(text_string_to_metric_families(http.get("/metrics").text))
    samples = [one for family in families for one in family.samples]
    found = {(one.name, frozenset(one.labels.items())): one.value for one in samples}
    assert len(found) == len(samples)
    assert {family.type for family in families} == {"gauge"}
    return found


def test_metrics_tell_what_waits_by_tier_and_tenant(http: httpx.Client, edge: Edge) -> None:
    edge.estimate(edge.add(Job(name="train", command=("true",), tier="production")))

    found = scraped(http)

    labels = {"tier": "production", "tenant": "default", "state": "RUNNABLE"}
    assert found["headgate_tasks", frozenset(labels.items())] == 1
    assert found["headgate_lane_closed", frozenset({("lane", "shut")})] == 1
    assert found["headgate_ready", frozenset()] == 1


def test_metrics_say_what_they_are(http: httpx.Client) -> None:
    kind = http.get("/metrics").headers["content-type"]
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
