from __future__ import annotations

import pytest

from packer.lifetime import LIFETIMES, lifetimes
from packer.options import PackOptions
from packer.pack import pack
from packer.spot import SpotMarket, expected_stretch
from tests.unit.packer.builders import MARKET, demand, kind

MONEY = PackOptions(deadline_s=30.0, objective="money")
HOUR = 3600.0


def test_tasks_that_end_together_share_an_instance() -> None:
    wanted = [
        demand("short", 1, 500, 32, runtime_s=60.0),
        demand("long", 1, 500, 4, runtime_s=10 * HOUR),
    ]
    plan = pack(wanted, catalogue=MARKET, options=MONEY)
    # The long ones come alone on something small: 0.16 an hour for ten hours, and minutes of the
    # rest.
    assert plan.cost_usd == pytest.approx(1.6 + 1.28 / 60, rel=0.1)
    together = [p for p in plan.placements if len(p.contents) > 1 and p.host.endswith("huge")]
    assert not together


def test_a_short_task_fills_the_hole_beside_a_long_one() -> None:
    wanted = [
        demand("long", 3, 500, 1, runtime_s=HOUR),
        demand("short", 1, 500, 1, runtime_s=60.0),
    ]
    plan = pack(wanted, catalogue=MARKET, options=MONEY)
    assert len(plan.placements) == 1
    assert plan.cost_usd == pytest.approx(0.16)


def test_without_runtimes_money_is_the_rate() -> None:
    plan = pack([demand("a", 1, 500, 9)], catalogue=MARKET, options=MONEY)
    assert plan.cost_usd is None
    assert plan.bound_usd_hour > 0


def test_an_unknown_runtime_counts_as_the_longest() -> None:
    wanted = [demand("known", 4, 500, runtime_s=2 * HOUR), demand("unknown", 4, 500)]
    plan = pack(wanted, catalogue=[kind("m", 4, 8000, 1.0)], options=MONEY)
    assert plan.cost_usd == pytest.approx(4.0)


def test_lifetimes_on_offer_end_with_the_longest_and_are_few() -> None:
    wanted = [demand(f"d{i}", 1, 1, runtime_s=10.0 * 1.05**i) for i in range(150)]
    offered = lifetimes(wanted)
    assert len(offered) <= LIFETIMES
    assert offered == sorted(offered)
    assert offered[-1] == pytest.approx(10.0 * 1.05**149)


def test_interruptions_stretch_long_tasks_more() -> None:
    assert expected_stretch(0.0, HOUR) == 1.0
    assert expected_stretch(1.0, HOUR) == pytest.approx(1.718, abs=1e-3)  # (e - 1) / 1
    assert expected_stretch(0.5, 60.0) < 1.01


def test_spot_is_worth_it_while_its_stretch_costs_less_than_its_discount() -> None:
    spot = kind("m", 4, 8000, 0.10, purchase="SPOT", interruption_per_hour=0.5)
    alone = kind("n", 4, 8000, 0.10, purchase="SPOT", interruption_per_hour=0.5)
    market = SpotMarket([spot, alone, kind("m", 4, 8000, 0.20)])
    assert market.worth_it(600.0).tolist() == [True, True, True]
    assert market.worth_it(10 * HOUR).tolist() == [False, True, True]
    assert market.worth_it(None).tolist() == [True, True, True]
