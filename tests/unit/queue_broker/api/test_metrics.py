"""Prometheus's text format: what promtool would refuse is looked for here."""

from __future__ import annotations

import re

import httpx

from headgate.job import Job
from tests.unit.queue_broker.api.serving import Edge

SAMPLE = re.compile(r'^(headgate_\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\.)*",?)+)\})? (\S+)$')


def test_metrics_tell_what_waits_by_tier_and_tenant(http: httpx.Client, edge: Edge) -> None:
    edge.estimate(edge.add(Job(name="train", command=("true",), tier="production")))

    answer = http.get("/metrics")

    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    waits = 'headgate_tasks{tier="production",tenant="default",state="RUNNABLE"} 1'
    assert waits in answer.text.splitlines()
    assert 'headgate_lane_closed{lane="shut"} 1' in answer.text.splitlines()
    assert "headgate_ready 1" in answer.text.splitlines()


def test_every_metric_is_introduced_before_its_samples_and_told_once(http: httpx.Client) -> None:
    introduced: list[str] = []
    seen: set[tuple[str, str | None]] = set()
    for line in http.get("/metrics").text.splitlines():
        if line.startswith("# TYPE "):
            introduced.append(line.split()[2])
        elif not line.startswith("#"):
            found = SAMPLE.match(line)
            assert found, line
            assert found[1] == introduced[-1]
            assert (found[1], found[2]) not in seen
            seen.add((found[1], found[2]))
            float(found[3])
    assert len(introduced) == len(set(introduced))
