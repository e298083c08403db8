from __future__ import annotations

import random
from dataclasses import replace

import pytest

from headgate.errors import InvalidInput
from packer.options import PackOptions
from packer.pack import pack
from packer.plan import Reason
from packer.verify import verify
from tests.unit.packer.builders import MARKET, demand, kind, machine

QUICK = PackOptions(deadline_s=0.0)
WHOLE = PackOptions(deadline_s=30.0)


def test_what_fits_on_running_machines_costs_nothing() -> None:
    plan = pack([demand("a", 1, 1000, 8)], bins=[machine("here", 8, 16_000)], catalogue=MARKET)
    assert plan.placed() == {"a": 8}
    assert plan.cost_usd_hour == 0
    assert [placement.host for placement in plan.placements] == ["here"]


def test_free_capacity_is_used_before_anything_is_started() -> None:
    bins = [machine("here", 2, 16_000)]
    plan = pack([demand("a", 1, 1000, 3)], bins=bins, catalogue=MARKET, options=WHOLE)
    on_here = [p.contents for p in plan.placements if p.host == "here"]
    assert on_here == [{"a": 2}]
    assert plan.cost_usd_hour == pytest.approx(0.16)
    assert not verify(plan, [demand("a", 1, 1000, 3)], bins, MARKET)


def test_on_scarce_capacity_lower_ranks_go_first_strictly() -> None:
    wanted = [demand("sweep", 1, 100, 50, rank=2), demand("production", 4, 100, 1, rank=0)]
    plan = pack(wanted, bins=[machine("here", 8, 16_000)])
    assert plan.placed() == {"production": 1, "sweep": 4}
    assert [(u.key, u.count, u.reason) for u in plan.unplaced] == [("sweep", 46, Reason.NO_ROOM)]


def test_the_order_of_the_input_does_not_matter() -> None:
    wanted = [demand(f"d{i}", 1 + i % 4, 700 * (i % 9 + 1), 10 + i) for i in range(12)]
    shuffled = wanted.copy()
    random.Random(7).shuffle(shuffled)
    one = pack(wanted, catalogue=MARKET, options=WHOLE)
    two = pack(shuffled, catalogue=MARKET[::-1], options=WHOLE)
    assert (one.placements, one.cost_usd_hour) == (two.placements, two.cost_usd_hour)


def test_who_is_content_with_a_gap_gets_the_first_plan_within_it() -> None:
    wanted = [demand(f"d{i}", 1 + i % 4, 700 * (i % 9 + 1), 40 + i) for i in range(12)]
    content = pack(wanted, catalogue=MARKET, options=replace(WHOLE, enough=0.5))
    assert content.solver == "first-fit"
    assert 0.0 < content.gap <= 0.5


def test_the_bound_is_proven_and_the_plan_is_near_it() -> None:
    wanted = [demand(f"d{i}", 1 + i % 4, 700 * (i % 9 + 1), 40 + i) for i in range(12)]
    plan = pack(wanted, catalogue=MARKET, options=WHOLE)
    assert not verify(plan, wanted, (), MARKET)
    assert 0 < plan.bound_usd_hour <= plan.cost_usd_hour <= 1.02 * plan.bound_usd_hour


def test_a_small_problem_is_solved_to_the_proven_optimum() -> None:
    # First fit gives each 5 its own 6, and the 3s another: 0.75. Two of 8 hold a 5 and a 3 each.
    types = [kind("eight", 8, 9000, 0.32), kind("six", 6, 9000, 0.25), kind("three", 3, 9000, 0.14)]
    wanted = [demand("five", 5, 100, 2), demand("three", 3, 100, 2)]
    plan = pack(wanted, catalogue=types, options=WHOLE)
    assert pack(wanted, catalogue=types, options=QUICK).cost_usd_hour == pytest.approx(0.75)
    assert plan.cost_usd_hour == pytest.approx(0.64)
    assert plan.bound_usd_hour == pytest.approx(0.64)
    assert plan.solver == "exact"


def test_without_time_first_fit_is_the_answer() -> None:
    wanted = [demand("a", 3, 1000, 300)]
    plan = pack(wanted, catalogue=MARKET, options=QUICK)
    assert plan.solver == "first-fit"
    assert plan.placed() == {"a": 300}
    assert not verify(plan, wanted, (), MARKET)


@pytest.mark.parametrize(
    ("wanted", "reason", "named"),
    [
        (demand("x", 500, 1000), Reason.TOO_BIG, "500 vCPU"),
        (demand("x", 0, 0), Reason.INVALID, "shape"),
        (demand("x", -1, 100), Reason.INVALID, "shape"),
        (demand("x", float("nan"), 100), Reason.INVALID, "shape"),
        (demand("x", 1e12, 100), Reason.INVALID, "shape"),
        (demand("x", 1, 100, 0), Reason.INVALID, "count"),
        (demand("x", 1, 100, 10**18), Reason.INVALID, "count"),
        (demand("x", 1, 100, max_per_instance=0), Reason.INVALID, "max_per_instance"),
        (demand("x", 1, 100, gpu_model="T4"), Reason.CONTRADICTION, "gpus"),
        (demand("x", 1, 100, gpus=1, gpu_model="H100"), Reason.GPU_MODEL, "H100"),
        (demand("x", 1, 100, gpus=1, gpu_memory_mib=80_000), Reason.GPU_MEMORY, "80000"),
        (demand("x", 1, 100, arch="arm64"), Reason.ARCH, "arm64"),
        (demand("x", 1, 100, 2, licence="matlab"), Reason.LICENCE, "matlab"),
    ],
)
def test_what_has_no_place_gets_a_reason_that_names_the_constraint(
    wanted: object, reason: Reason, named: str
) -> None:
    both = [wanted, demand("fine", 1, 100)]
    plan = pack(both, catalogue=MARKET, options=QUICK)  # type: ignore[arg-type]
    assert plan.placed() == {"fine": 1}
    (unplaced,) = plan.unplaced
    assert (unplaced.key, unplaced.reason) == ("x", reason)
    assert named in unplaced.detail


def test_an_empty_catalogue_is_a_reason() -> None:
    plan = pack([demand("a", 1, 100)])
    assert [u.reason for u in plan.unplaced] == [Reason.NO_CAPACITY]


def test_a_missing_price_is_a_reason_only_where_nothing_else_would_do() -> None:
    types = [kind("free-of-price", 64, 8000, None), kind("small", 4, 8000, 0.16)]
    plan = pack([demand("small", 2, 100), demand("large", 32, 100)], catalogue=types)
    assert plan.placed() == {"small": 1}
    assert [(u.key, u.reason) for u in plan.unplaced] == [("large", Reason.NO_PRICE)]


def test_a_task_that_must_not_be_interrupted_stays_off_spot() -> None:
    spot = kind("m", 4, 8000, 0.05, purchase="SPOT")
    plan = pack([demand("a", 1, 100, spot_ok=False)], catalogue=[spot])
    assert [u.reason for u in plan.unplaced] == [Reason.ON_DEMAND]
    plan = pack([demand("a", 1, 100, spot_ok=False)], catalogue=[spot, kind("m", 4, 8000, 0.2)])
    assert [p.host for p in plan.placements] == ["m"]


def test_short_tasks_go_to_spot_and_long_ones_that_would_be_interrupted_do_not() -> None:
    spot = kind("m", 4, 8000, 0.10, purchase="SPOT", interruption_per_hour=0.5)
    wanted = [demand("short", 4, 100, runtime_s=600), demand("long", 4, 100, runtime_s=36_000)]
    plan = pack(wanted, catalogue=[spot, kind("m", 4, 8000, 0.20)], options=WHOLE)
    assert {key: p.host for p in plan.placements for key in p.contents} == {
        "short": "m:SPOT",
        "long": "m",
    }


def test_tasks_that_outlast_a_machine_do_not_go_there() -> None:
    bins = [machine("here", 8, 16_000, ends_in_s=600.0)]
    wanted = [demand("short", 1, 100, runtime_s=500.0), demand("long", 1, 100, runtime_s=900.0)]
    plan = pack(wanted, bins=bins, catalogue=MARKET, options=WHOLE)
    assert {key: p.is_new for p in plan.placements for key in p.contents} == {
        "short": False,
        "long": True,
    }
    assert verify(plan, wanted, bins, MARKET) == []
    assert verify(plan, wanted, [replace(bins[0], ends_in_s=400.0)], MARKET) == [
        "here: short runs 500.0 s, this ends in 400.0"
    ]


def test_limits_of_types_and_the_quota_are_kept() -> None:
    wanted = [demand("a", 4, 4000, 10)]
    limited = [replace(MARKET[2], limit=3)]
    plan = pack(wanted, catalogue=limited, options=WHOLE)
    assert plan.placed() == {"a": 3}
    assert [(u.count, u.reason) for u in plan.unplaced] == [(7, Reason.TYPE_LIMIT)]
    options = PackOptions(deadline_s=30.0, vcpu_quota=9)
    plan = pack(wanted, catalogue=MARKET, options=options)
    assert plan.placed() == {"a": 2}
    assert [u.reason for u in plan.unplaced] == [Reason.VCPU_QUOTA]
    assert not verify(plan, wanted, (), MARKET, options)


def test_licences_seat_lower_ranks_first() -> None:
    wanted = [
        demand("late", 1, 100, 5, rank=1, licence="matlab"),
        demand("early", 1, 100, 5, rank=0, licence="matlab"),
    ]
    options = PackOptions(licences={"matlab": 7})
    plan = pack(wanted, catalogue=MARKET, options=options)
    assert plan.placed() == {"early": 5, "late": 2}
    assert not verify(plan, wanted, (), MARKET, options)


def test_tasks_are_spread_where_asked() -> None:
    wanted = [demand("a", 1, 100, 6, max_per_instance=2), demand("b", 1, 100, 70)]
    plan = pack(wanted, catalogue=MARKET, options=WHOLE)
    assert max(p.contents.get("a", 0) for p in plan.placements) <= 2
    assert not verify(plan, wanted, (), MARKET)


def test_equal_keys_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"demands\.key: got 'a'"):
        pack([demand("a", 1, 1), demand("a", 2, 2)], catalogue=MARKET)


def test_an_unchanged_demand_gives_the_plan_before() -> None:
    wanted = [demand(f"d{i}", 1, 500 + 10 * i, 30) for i in range(20)]
    first = pack(wanted, catalogue=MARKET, options=WHOLE)
    again = pack(wanted, catalogue=MARKET, options=WHOLE, warm=first)
    assert again.placements is first.placements


def test_a_slightly_changed_demand_starts_from_the_plan_before_and_keeps_its_bound_proven() -> None:
    wanted = [demand(f"d{i}", 1 + i % 4, 700 * (i % 9 + 1), 400) for i in range(12)]
    first = pack(wanted, catalogue=MARKET, options=WHOLE)
    changed = [replace(d, count=404 if i % 2 else 396) for i, d in enumerate(wanted)]
    again = pack(changed, catalogue=MARKET, options=WHOLE, warm=first)
    fresh = pack(changed, catalogue=MARKET, options=WHOLE)
    assert again.solver == "again"
    assert not verify(again, changed, (), MARKET)
    assert 0 < again.bound_usd_hour <= fresh.cost_usd_hour * (1 + 1e-9)
    assert again.cost_usd_hour <= fresh.cost_usd_hour * 1.01


def test_a_warm_start_from_another_world_does_no_harm() -> None:
    first = pack([demand("gone", 2, 900, 9)], catalogue=MARKET[:2], options=WHOLE)
    wanted = [demand("new", 3, 9000, 9), demand("gone", 30, 100_000, 1)]
    plan = pack(wanted, catalogue=MARKET[2:], options=WHOLE, warm=first)
    assert plan.placed() == {"new": 9, "gone": 1}
    assert not verify(plan, wanted, (), MARKET[2:])


def test_fractions_of_a_vcpu_add_up() -> None:
    plan = pack([demand("a", 0.1, 100, 10)], bins=[machine("here", 1, 16_000)])
    assert plan.placed() == {"a": 10}


def test_what_only_a_full_machine_could_hold_waits_and_the_rest_is_packed() -> None:
    bins = [machine("large", 64, 900_000)]
    wanted = [demand("giant", 40, 800_000, 2), demand("a", 3, 9000, 70), demand("b", 1, 700, 90)]
    plan = pack(wanted, bins=bins, catalogue=MARKET, options=WHOLE)
    assert [(u.key, u.count, u.reason) for u in plan.unplaced] == [("giant", 1, Reason.NO_ROOM)]
    assert verify(plan, wanted, bins, MARKET) == []
