"""Whenever time is up, there is a legal plan with its gap."""

from __future__ import annotations

from dataclasses import replace

import pytest

from packer import deadline
from packer.demand import Demand
from packer.options import PackOptions
from packer.pack import pack
from packer.verify import verify
from tests.unit.packer.builders import MARKET, demand, machine


class Clock:
    """A clock that moves on by a second each time that it is looked at."""

    def __init__(self) -> None:
        self.looks = 0

    def perf_counter(self) -> float:
        self.looks += 1
        return float(self.looks)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(deadline, "time", clock)
    return clock


def few() -> list[Demand]:
    return [demand(f"d{i}", 1 + i % 4, 700 * (i % 9 + 1), 40 + i) for i in range(5)]


def many() -> list[Demand]:
    return [demand(f"d{i}", 1 + i % 4, 300 + 97 * i, 9 + i % 5) for i in range(90)]


@pytest.mark.parametrize("wanted", [few(), many()], ids=["few shapes", "many shapes"])
@pytest.mark.parametrize("looks", [0, 1, 2, 3, 4, 5, 6, 8, 12, 20, 40, 80, 160, 320])
def test_wherever_the_search_is_cut_short_the_plan_is_legal(
    clock: Clock, wanted: list[Demand], looks: int
) -> None:
    bins = [machine("here", 8, 9000)] if looks % 2 else []
    options = PackOptions(deadline_s=float(looks))
    plan = pack(wanted, bins=bins, catalogue=MARKET, options=options)
    quick = pack(wanted, bins=bins, catalogue=MARKET, options=replace(options, deadline_s=0.0))
    assert verify(plan, wanted, bins, MARKET) == []
    assert plan.cost_usd_hour <= quick.cost_usd_hour + 1e-9
    assert plan.bound_usd_hour >= quick.bound_usd_hour * (1 - 1e-6) > 0
