"""What Prometheus scrapes, read by its own client's parser."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from headgate.errors import Unavailable
from headgate.job import Dependency, Job
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


def test_metrics_tell_the_longest_wait_for_a_first_turn_by_tier(
    http: httpx.Client, edge: Edge
) -> None:
    production = Job(name="train", command=("true",), tier="production")
    first = edge.add(production)
    edge.estimate(first)
    edge.now_s += 30
    edge.estimate(edge.add(production))
    after = (Dependency(job_id=first),)
    edge.estimate(edge.add(Job(name="after", command=("true",), tier="sweep", depends_on=after)))
    edge.now_s += 5

    found = scraped(http)

    waits = {labels: value for (name, labels), value in found.items() if "oldest_wait" in name}
    assert waits == {frozenset({("tier", "production")}): 35.0}


@pytest.mark.parametrize("away", ["store", "engine"])
def test_metrics_tell_what_is_there_while_the_rest_is_away(
    http: httpx.Client, edge: Edge, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    def gone(*_: object) -> None:
        raise Unavailable("away")

    if away == "store":
        monkeypatch.setattr(edge.store, "backlog", gone)
    else:
        monkeypatch.setattr(type(edge.fleet), "lanes", gone)

    names = {name for name, _ in scraped(http)}

    assert "headgate_ready" in names
    assert ("headgate_lane_closed" in names) == (away == "store")


def test_metrics_say_what_they_are(http: httpx.Client) -> None:
    kind = http.get("/metrics").headers["content-type"]
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
