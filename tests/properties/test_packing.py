"""What must hold of every plan, whatever is asked."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.resources import Resources
from packer.catalogue import Bin, InstanceType
from packer.demand import Demand
from packer.options import PackOptions
from packer.pack import pack
from packer.verify import verify

#: Enough time that no plan is cut short by the clock, however busy the machine.
OPTIONS = PackOptions(deadline_s=60.0)
FIRST_FIT = PackOptions(deadline_s=0.0)

shapes = st.builds(
    Resources,
    vcpu=st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0, 8.0]),
    memory_mib=st.integers(1, 40_000),
    gpus=st.sampled_from([0, 0, 0, 1, 2]),
)


@st.composite
def demands(draw: st.DrawFn, ranks: int = 1) -> list[Demand]:
    drawn = draw(st.lists(st.tuples(shapes, st.integers(1, 40)), min_size=1, max_size=6))
    return [
        Demand(
            f"d{i}",
            shape,
            count,
            rank=draw(st.integers(0, ranks - 1)),
            spot_ok=draw(st.booleans()),
            arch=draw(st.sampled_from([None, None, "x86_64", "arm64"])),
            max_per_instance=draw(st.sampled_from([None, None, None, 1, 3])),
        )
        for i, (shape, count) in enumerate(drawn)
    ]


@st.composite
def catalogues(draw: st.DrawFn, limits: bool = False) -> list[InstanceType]:
    sizes = draw(st.lists(st.sampled_from([2, 4, 8, 16]), min_size=1, max_size=5))
    return [
        InstanceType(
            name=f"t{i}",
            capacity=Resources(vcpu, vcpu * draw(st.integers(1500, 8000)), draw(st.integers(0, 2))),
            price_usd_hour=vcpu * draw(st.integers(30, 60)) / 1000,
            arch=draw(st.sampled_from(["x86_64", "arm64"])),
            purchase=draw(st.sampled_from(["ON_DEMAND", "SPOT"])),
            limit=draw(st.none() | st.integers(0, 4)) if limits else None,
        )
        for i, vcpu in enumerate(sizes)
    ]


@st.composite
def machines(draw: st.DrawFn) -> list[Bin]:
    return [
        Bin(key=f"b{i}", free=draw(shapes), arch=draw(st.sampled_from(["x86_64", "arm64"])))
        for i in range(draw(st.integers(0, 3)))
    ]


@settings(max_examples=30, deadline=None)
@given(demands(ranks=3), machines(), catalogues(limits=True), st.none() | st.integers(0, 60))
def test_plans_are_legal_and_bounded_and_never_dearer_than_first_fit(
    wanted: list[Demand], bins: list[Bin], types: list[InstanceType], quota: int | None
) -> None:
    options = replace(OPTIONS, vcpu_quota=quota)
    plan = pack(wanted, bins=bins, catalogue=types, options=options)
    quick = pack(wanted, bins=bins, catalogue=types, options=replace(options, deadline_s=0.0))
    assert verify(plan, wanted, bins, types, options) == []
    assert verify(quick, wanted, bins, types, options) == []
    assert plan.placed() == quick.placed()
    assert plan.cost_usd_hour <= quick.cost_usd_hour + 1e-9


@settings(max_examples=25, deadline=None)
@given(demands(), catalogues(), st.randoms(use_true_random=False))
def test_the_order_of_what_is_given_changes_nothing(
    wanted: list[Demand], types: list[InstanceType], random: object
) -> None:
    plan = pack(wanted, catalogue=types, options=OPTIONS)
    other, kinds = wanted.copy(), types.copy()
    random.shuffle(other)  # type: ignore[attr-defined]
    random.shuffle(kinds)  # type: ignore[attr-defined]
    again = pack(other, catalogue=kinds, options=OPTIONS)
    assert plan.placements == again.placements
    assert plan.cost_usd_hour == again.cost_usd_hour


@settings(max_examples=25, deadline=None)
@given(demands(), catalogues(), st.data())
def test_more_demand_never_has_a_bound_below_less(
    wanted: list[Demand], types: list[InstanceType], data: st.DataObject
) -> None:
    """Any plan of the larger demand, with tasks taken out, is one of the smaller: so no plan of
    the larger may cost less than the smaller's bound."""
    larger = [replace(d, count=d.count + data.draw(st.integers(0, 20))) for d in wanted]
    less = pack(wanted, catalogue=types, options=OPTIONS)
    more = pack(larger, catalogue=types, options=OPTIONS)
    assert less.bound_usd_hour <= more.cost_usd_hour * (1 + 1e-6) + 1e-9
    assert all(more.placed().get(key, 0) >= tasks for key, tasks in less.placed().items())


@settings(max_examples=20, deadline=None)
@given(demands(), catalogues(), st.data())
def test_plans_made_again_and_again_are_legal_and_their_bounds_are_true(
    wanted: list[Demand], types: list[InstanceType], data: st.DataObject
) -> None:
    """Each starts from the one before; demands come, go, and change their counts."""
    plan = pack(wanted, catalogue=types, options=OPTIONS)
    for turn in range(4):
        drawn = [replace(d, count=data.draw(st.integers(1, 60))) for d in wanted]
        changed = [d for d in drawn if data.draw(st.integers(0, 5))]
        changed += [
            replace(d, key=f"{d.key}-{turn}") for d in drawn if not data.draw(st.integers(0, 5))
        ]
        plan = pack(changed, catalogue=types, options=OPTIONS, warm=plan)
        assert verify(plan, changed, (), types) == []
        fresh = pack(changed, catalogue=types, options=OPTIONS)
        assert plan.bound_usd_hour <= fresh.cost_usd_hour * (1 + 1e-6) + 1e-9
        assert plan.placed() == fresh.placed()


@settings(max_examples=20, deadline=None)
@given(demands(ranks=2), machines(), machines(), catalogues(limits=True), st.data())
def test_plans_made_again_in_a_changed_world_are_legal(
    wanted: list[Demand],
    bins: list[Bin],
    other: list[Bin],
    types: list[InstanceType],
    data: st.DataObject,
) -> None:
    plan = pack(wanted, bins=bins, catalogue=types, options=OPTIONS)
    fewer = [kind for kind in types if data.draw(st.integers(0, 3))]
    changed = [replace(d, count=data.draw(st.integers(1, 60))) for d in wanted]
    options = replace(OPTIONS, vcpu_quota=data.draw(st.none() | st.integers(0, 200)))
    again = pack(changed, bins=other, catalogue=fewer, options=options, warm=plan)
    assert verify(again, changed, other, fewer, options) == []
    fresh = pack(changed, bins=other, catalogue=fewer, options=options)
    assert again.placed() == fresh.placed()


@settings(max_examples=20, deadline=None)
@given(demands(), catalogues(), st.data())
def test_plans_for_money_are_legal_and_place_as_much(
    wanted: list[Demand], types: list[InstanceType], data: st.DataObject
) -> None:
    timed = [replace(d, runtime_s=data.draw(st.floats(1, 90_000))) for d in wanted]
    plan = pack(timed, catalogue=types, options=replace(OPTIONS, objective="money"))
    quick = pack(timed, catalogue=types, options=FIRST_FIT)
    assert verify(plan, timed, (), types) == []
    assert plan.placed() == quick.placed()
