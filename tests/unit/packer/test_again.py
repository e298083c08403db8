"""Plans that start from the plan before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from packer.demand import Demand
from packer.first_fit import Groups
from packer.mend import mend
from packer.options import PackOptions
from packer.pack import pack
from packer.plan import Plan, Reason
from packer.problem import compile_problem
from packer.relax import relax, types_market
from packer.verify import verify
from tests.unit.packer.builders import MARKET, demand, kind, machine

WHOLE = PackOptions(deadline_s=30.0)


def many(tasks: int = 40) -> list[Demand]:
    return [demand(f"d{i}", 1 + i % 4, 700 * (i % 9 + 1), tasks + i) for i in range(12)]


@pytest.fixture(scope="module")
def before() -> Plan:
    return pack(many(), catalogue=MARKET, options=WHOLE)


def checked(wanted: list[Demand], warm: Plan) -> Plan:
    plan = pack(wanted, catalogue=MARKET, options=WHOLE, warm=warm)
    assert verify(plan, wanted, (), MARKET) == []
    return plan


def test_fifty_changes_of_a_hundredth_stay_near_the_bound(before: Plan) -> None:
    random, plan, wanted, again = np.random.default_rng(5), before, many(), 0
    for _ in range(50):
        moved = random.integers(-1, 2, len(wanted))
        wanted = [
            replace(d, count=max(1, d.count + int(n))) for d, n in zip(wanted, moved, strict=True)
        ]
        plan = checked(wanted, plan)
        again += plan.solver == "again"
        assert plan.cost_usd_hour <= 1.02 * plan.bound_usd_hour
    assert again >= 40


def test_the_plan_before_is_not_changed_and_gives_the_same_twice(before: Plan) -> None:
    wanted = [replace(d, count=d.count + (2 if i % 2 else -2)) for i, d in enumerate(many())]
    one, two = checked(wanted, before), checked(wanted, before)
    assert one.placements == two.placements
    assert verify(before, many(), (), MARKET) == []
    assert before.memory is not None
    assert (before.memory.groups.placed() == before.memory.problem.count).all()


def test_what_nobody_knew_before_joins_and_what_is_gone_leaves() -> None:
    first = pack([*many(400), demand("gone", 1, 900, 3)], catalogue=MARKET, options=WHOLE)
    wanted = [*many(400), demand("new", 2, 3000, 5), demand("huge", 500, 1, 3)]
    plan = checked(wanted, first)
    assert plan.solver == "again"
    assert plan.placed()["new"] == 5
    assert "gone" not in plan.placed()
    assert [(u.key, u.reason) for u in plan.unplaced] == [("huge", Reason.TOO_BIG)]
    assert checked(many(400), plan).placed() == {d.key: d.count for d in many(400)}


def test_a_known_key_of_another_shape_is_another_demand(before: Plan) -> None:
    wanted = [replace(d, shape=replace(d.shape, memory_mib=9000)) for d in many()[:1]]
    plan = checked([*wanted, *many()[1:]], before)
    assert plan.placed() == before.placed()
    assert checked(many(), plan).placed() == before.placed()


def test_what_makes_no_sense_is_refused_again(before: Plan) -> None:
    plan = checked([*many(), demand("none", 1, 1, 0)], before)
    assert [(u.key, u.reason) for u in plan.unplaced] == [("none", Reason.INVALID)]


def test_licences_are_counted_anew(before: Plan) -> None:
    options = replace(WHOLE, licences={"matlab": 3})
    wanted = [*many(), demand("seated", 1, 100, 5, licence="matlab")]
    plan = pack(wanted, catalogue=MARKET, options=options, warm=before)
    assert plan.placed()["seated"] == 3
    assert verify(plan, wanted, (), MARKET, options) == []


def test_machines_that_came_are_filled_first(before: Plan) -> None:
    bins = [machine("here", 16, 64_000)]
    plan = pack(many(), bins=bins, catalogue=MARKET, options=WHOLE, warm=before)
    assert verify(plan, many(), bins, MARKET) == []
    assert any(p.host == "here" for p in plan.placements)
    assert plan.cost_usd_hour < before.cost_usd_hour
    assert 0 < plan.bound_usd_hour <= plan.cost_usd_hour


def test_limits_that_came_are_kept(before: Plan) -> None:
    used = {p.host for p in before.placements}
    few = [replace(one, limit=1 if one.key in used else None) for one in MARKET]
    plan = pack(many(), catalogue=few, options=WHOLE, warm=before)
    assert verify(plan, many(), (), few) == []


def test_half_empty_instances_are_packed_together() -> None:
    problem = compile_problem(
        [demand("a", 1, 100, 20)], (), [*MARKET, kind("c", 8, 9000, 0.32)], None
    )
    relaxed = relax(problem, types_market(problem), problem.count, 10, 60.0)
    assert relaxed is not None
    groups = Groups(problem)
    huge = [host.key for host in problem.hosts].index("m.huge")
    groups.put(huge, 2, {0: 10})
    mended = mend(groups, relaxed.proof, 0.0)
    assert (mended.placed() == 20).all()
    assert mended.cost() == pytest.approx(0.80)  # 20 vCPUs of the lean kinds, at 0.04 each
    assert groups.cost() == pytest.approx(3.20)


def test_a_drifted_plan_is_still_better_than_one_that_had_no_time(before: Plan) -> None:
    wanted = [replace(d, count=d.count * 2) for d in many()]
    hurried = replace(WHOLE, deadline_s=0.0)
    plan = pack(wanted, catalogue=MARKET, options=hurried, warm=before)
    fresh = pack(wanted, catalogue=MARKET, options=hurried)
    assert verify(plan, wanted, (), MARKET) == []
    assert plan.solver == "again"
    assert plan.cost_usd_hour < fresh.cost_usd_hour
    assert plan.bound_usd_hour >= fresh.bound_usd_hour
