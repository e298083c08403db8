"""The fleet that a trace is replayed on where nobody says how large it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headgate.resources import Resources
from queue_broker.simulation.fleets import fleet_for, instances_for, price_of, shape_for
from queue_broker.simulation.generate import plain
from queue_broker.simulation.trace import Trace

A_DAY = np.arange(0.0, 86_401.0, 864.0)


def trace(**columns: float) -> Trace:
    """A task every 864 s for a day, which runs for ten hours."""
    rows = len(A_DAY)
    one = plain(A_DAY, np.full(rows, 36_000.0), np.full(rows, "ada", dtype=object))
    full = {
        name: np.full(rows, value).astype(getattr(one, name).dtype)
        for name, value in columns.items()
    }
    return replace(one, **full)


@pytest.mark.parametrize(
    ("asked", "share"),
    [({}, 1 / 4), ({"memory_mib": 16_384}, 1), ({"gpus": 1}, 1), ({"vcpu": 3}, 3 / 4)],
)
def test_a_fleet_is_as_large_as_what_its_trace_needs_most(
    asked: dict[str, float], share: float
) -> None:
    work = trace(**asked)
    kept_busy = len(A_DAY) * 36_000 * share / 86_400
    assert instances_for(work, shape_for(work)) == pytest.approx(kept_busy / 0.8)


def test_a_fleet_of_few_instances_has_few_lanes() -> None:
    model = fleet_for(trace(gpus=1), 100, None)
    assert sum(lane.instances for lane in model.lanes) == len(model.lanes) == 53


def test_lanes_share_many_instances_evenly() -> None:
    model = fleet_for(trace(gpus=1), 10, None)
    assert [lane.instances for lane in model.lanes] == [6] * 10


def test_a_fleet_has_the_vcpus_that_it_was_told() -> None:
    model = fleet_for(trace(), 100, 2000)
    assert sum(lane.instances * lane.shape.vcpu for lane in model.lanes) == 2000


def test_gpus_have_a_price_of_their_own() -> None:
    assert price_of(Resources(8, 16_384)) == pytest.approx(2 * 0.192)
    assert price_of(Resources(4, 16_384, 2)) == pytest.approx(0.192 + 2 * 0.814)
