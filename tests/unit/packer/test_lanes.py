from __future__ import annotations

from dataclasses import replace

import pytest

from packer.lanes import lane_shapes, portfolios
from tests.unit.packer.builders import MARKET, demand, kind

HISTORY = [
    demand("lean", 4, 6000, 900),
    demand("rich", 4, 29_000, 500),
    demand("gpu", 2, 9000, 40, gpus=1),
]


def test_types_of_one_shape_and_nearly_one_price_stand_in_for_each_other() -> None:
    types = [
        kind("a.large", 4, 15_000, 0.20),
        kind("b.large", 4, 14_900, 0.21),
        kind("dear.large", 4, 15_000, 0.40),
        kind("spot.large", 4, 15_000, 0.05, purchase="SPOT"),
        kind("unpriced.large", 4, 15_000, None),
    ]
    on_demand, spot = lane_shapes(types)
    assert on_demand.members == ("a.large", "b.large")
    assert on_demand.kind.capacity.memory_mib == 14_900
    assert on_demand.kind.price_usd_hour == 0.20
    assert spot.members == ("spot.large",)


def test_fewer_lanes_cost_more_and_all_of_them_cost_the_least() -> None:
    found = portfolios(HISTORY, MARKET)
    sizes = [len(portfolio.lanes) for portfolio in found]
    assert sizes == sorted(sizes, reverse=True)
    costs = [portfolio.cost_usd for portfolio in found]
    assert costs == sorted(costs)
    assert found[0].over_best == pytest.approx(1.0)
    # Only GPU lanes take GPU tasks, and the rest does not fit all of them: two at the least.
    assert sizes[-1] >= 2


def test_a_task_weighs_as_long_as_it_ran() -> None:
    """A thousand short lean tasks, and a few rich ones that hold their instances for days."""
    types = [kind("lean.large", 4, 8_000, 0.20), kind("rich.large", 4, 32_000, 0.30)]
    short = replace(demand("short", 4, 6000, 1000), runtime_s=36.0)
    long = replace(demand("long", 4, 29_000, 10), runtime_s=360_000.0)
    both, one = portfolios([short, long], types)
    assert both.cost_usd == pytest.approx(1000 * 0.01 * 0.20 + 10 * 100 * 0.30)
    assert one.cost_usd == pytest.approx(1000 * 0.01 * 0.30 + 10 * 100 * 0.30)


def test_a_year_of_a_great_company_is_no_more_than_can_be_planned() -> None:
    """10^9 tasks of an hour, two million processors all year long."""
    many = [demand("lean", 16, 6000, 10**9), demand("rich", 4, 29_000, 10**7)]
    assert portfolios(many, MARKET)[0].over_best == pytest.approx(1.0)


def test_at_most_so_many_lanes_are_proposed() -> None:
    assert all(len(portfolio.lanes) <= 2 for portfolio in portfolios(HISTORY, MARKET, most=2))


def test_what_no_lane_can_take_is_left_out_of_the_account() -> None:
    impossible = demand("vast", 4000, 10)
    assert portfolios([*HISTORY, impossible], MARKET) == portfolios(HISTORY, MARKET)


def test_no_demand_needs_no_lanes() -> None:
    assert portfolios([], MARKET) == []
