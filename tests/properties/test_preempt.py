"""What holds of every choice of whom to stop, whatever runs and whoever waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.resources import Resources
from headgate.tenancy import DEFAULT_TIERS
from queue_broker.core.amounts import NOTHING, Amount, amount
from queue_broker.core.lanes import Lane as LaneRoom
from queue_broker.core.lanes import Want
from queue_broker.core.ledger import Ledger
from queue_broker.core.preempt import WORTH, choose
from queue_broker.core.runs import Runs
from queue_broker.core.victims import Scene, Victim
from queue_broker.core.yard import Yard
from queue_broker.records import Group, GroupId, Intent, Lane, Leak, Tasks
from tests.unit.queue_broker.core.scenes import NOW_S, a_group, a_lane, a_leak

PROMISE_S = 30.0
#: When the choice is made; all that runs has been leaked at `NOW_S`.
CHOICE_S = NOW_S + 100.0
TIERS = ["sweep", "sweep", "sweep", "interactive"]


@dataclass(frozen=True)
class Case:
    blocked: Sequence[Group]
    leaks: Sequence[Leak]
    lanes: Sequence[Lane]
    runs: Runs
    fields: dict[str, Any] = field(default_factory=dict)

    def scene(self) -> Scene:
        yard, ledger = Yard.of(self.lanes), Ledger.of(self.leaks, self.lanes)
        lanes = self.lanes
        return Scene(yard, ledger, self.runs, DEFAULT_TIERS, CHOICE_S, lanes=lanes, **self.fields)

    def chosen(self) -> dict[str, Tasks]:
        return choose(self.blocked, PROMISE_S, self.scene())


@st.composite
def running(draw: st.DrawFn, number: int, lanes: Sequence[Lane]) -> Leak:
    """Some of its tasks may wait in the lane, or be on their way out."""
    lane = draw(st.sampled_from(lanes))
    tags = draw(st.sampled_from([{}, {}, {"headgate:shim": "off"}, {"headgate:checkpoints": "1"}]))
    group = a_group(
        100 + number,
        draw(st.integers(1, 4)),
        tier=draw(st.sampled_from(TIERS)),
        vcpu=draw(st.sampled_from([0.5, 1.0, 2.0, 3.0])),
        memory_mib=draw(st.sampled_from([512, 4_096, 9_000])),
        runtime_s=draw(st.sampled_from([95.0, 101.0, 104.0, 110.0, 120.0, 129.0, 9_999.0])),
        tags=tags,
    )
    leak = a_leak(number, group, lane=lane.name)
    running = Tasks(draw(st.sets(st.sampled_from(list(leak.open)))) or leak.open)
    cancelling = Tasks(draw(st.sampled_from([(), (), (0,)])))
    return replace(leak, running=running, cancelling=cancelling)


@st.composite
def waiting(draw: st.DrawFn, number: int, most: int = 4) -> Group:
    return a_group(
        number,
        draw(st.integers(1, most)),
        tier="production",
        vcpu=draw(st.sampled_from([0.5, 1.0, 2.0, 3.0, 4.0])),
        memory_mib=draw(st.sampled_from([512, 4_096])),
        queued_at_s=CHOICE_S - draw(st.sampled_from([0.0, 1.0, 12.0, 25.0, 40.0])),
        tags=draw(st.sampled_from([{}, {}, {}, {"headgate:gang": "true"}])),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    lanes = [
        a_lane(
            f"lane-{number}",
            vcpu=draw(st.sampled_from([2, 4, 8])),
            instances=(instances := draw(st.integers(1, 3))),
            running=draw(st.sampled_from([None, instances])),
            price_usd_hour=draw(st.sampled_from([0.0, 0.1, 1.0])),
            queues=draw(st.booleans()),
            index_by_shim=draw(st.booleans()),
            closed=draw(st.sampled_from([None, None, None, "no capacity"])),
        )
        for number in range(draw(st.integers(1, 3)))
    ]
    leaks = [draw(running(number, lanes)) for number in range(draw(st.integers(1, 7)))]
    blocked = [draw(waiting(number)) for number in range(draw(st.integers(1, 4)))]
    given_to = draw(st.sampled_from(lanes)).name
    intents = [Intent(GroupId(50), 1, Tasks([0]), given_to, Resources(1, 512))]
    fields = {
        "delays_s": {lane.name: draw(st.sampled_from([0.0, 4.0, 20.0])) for lane in lanes},
        "spared": draw(st.sampled_from([(), (), ("sweep",)])),
        "intents": draw(st.sampled_from([(), tuple(intents)])),
    }
    return Case(blocked, leaks, lanes, draw(runs_of(leaks)), fields)


@st.composite
def runs_of(draw: st.DrawFn, leaks: Sequence[Leak]) -> Runs:
    """What runs where and since when; where each is is known of all or of none."""
    runs, known = Runs(), draw(st.booleans())
    for leak in leaks:
        ages_s = {task: draw(st.sampled_from([0.0, 1.0, 50.0, 100.0])) for task in leak.running}
        runs.started_s[leak.name] = {task: CHOICE_S - age_s for task, age_s in ages_s.items()}
        if known:
            where = st.sampled_from([f"{leak.lane}-{letter}" for letter in "abc"])
            runs.instances[leak.name] = {task: draw(where) for task in leak.running}
        if draw(st.integers(0, 4)) == 0:
            runs.stopping[leak.name] = Tasks([min(leak.open)])
    return runs


Accepted = list[tuple[LaneRoom, Want, tuple[Victim, ...]]]


def watched(case: Case) -> tuple[dict[str, Tasks], Accepted]:
    """What is chosen, and for what in which lane, as the choice went on."""
    seen: Accepted = []
    accept = LaneRoom.accept

    def noted(lane: LaneRoom, want: Want, offer: tuple[Victim, ...]) -> None:
        seen.append((lane, want, offer))
        accept(lane, want, offer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LaneRoom, "accept", noted)
        return case.chosen(), seen


@given(cases())
@settings(max_examples=100, deadline=None)
def test_only_those_are_stopped_who_may_be_and_are_not_yet(case: Case) -> None:
    lanes = {lane.name: lane for lane in case.lanes}
    leaks = {leak.name: leak for leak in case.leaks}
    for name, tasks in case.chosen().items():
        leak = leaks[name]
        assert tasks
        assert tasks <= leak.open
        assert leak.tier == "sweep"
        assert leak.tier not in case.fields["spared"]
        assert not tasks & leak.cancelling
        assert not tasks & case.runs.stopping.get(name, Tasks())
        assert not lanes[leak.lane].closed
        bare = leak.array and leak.job.tags.get("headgate:shim") == "off"
        assert not (bare and lanes[leak.lane].index_by_shim)


@given(cases())
@settings(max_examples=100, deadline=None)
def test_nobody_is_stopped_twice(case: Case) -> None:
    _, seen = watched(case)
    keys = Counter(victim.key for _, _, offer in seen for victim in offer)
    assert not keys or max(keys.values()) == 1


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_same_are_stopped_in_whatever_order_they_are_told(case: Case, random: Any) -> None:
    leaks, first = list(case.leaks), case.chosen()
    random.shuffle(leaks)
    assert replace(case, leaks=leaks).chosen() == first == case.chosen()


@given(cases())
@settings(max_examples=100, deadline=None)
def test_a_lane_of_one_instance_has_the_room_for_whom_somebody_was_stopped(case: Case) -> None:
    """What is free or comes free in time, and what those who were stopped leave, holds them."""
    chosen, seen = watched(case)
    left_s = PROMISE_S - min(CHOICE_S - group.queued_at_s for group in case.blocked)
    for place, lane in enumerate(case.lanes):
        wanted = [want for at, want, _ in seen if at.place == place]
        if lane.instances == 1 and wanted:
            room = free(case, lane, left_s, chosen)
            for want in wanted:
                room = room.plus(want.all, -1)
            assert NOTHING.within(room)


def free(case: Case, lane: Lane, until_s: float, stopped: dict[str, Tasks]) -> Amount:
    """What a lane has when all have left that are stopped, and all that end by then."""
    room = Amount().plus(amount(lane.shape), lane.instances)
    delay_s = min(case.fields["delays_s"].get(lane.name, 0.0), PROMISE_S / 2)
    ledger = Ledger()
    for intent in case.fields["intents"]:
        if intent.lane == lane.name:
            room = room.plus(amount(intent.allocation), -len(intent.tasks))
    for leak in case.leaks:
        stays = leak.open - leak.cancelling - case.runs.stopping.get(leak.name, Tasks())
        stays -= stopped.get(leak.name, Tasks())
        ends = ledger.remaining_s(leak, CHOICE_S) + delay_s <= until_s
        if leak.lane == lane.name and not ends:
            room = room.plus(amount(leak.allocation), -len(stays))
    return room


@st.composite
def plain_cases(draw: st.DrawFn) -> Case:
    """One lane of one instance, and tasks of one shape that want room there."""
    lane = a_lane(vcpu=8, queues=draw(st.booleans()))
    leaks = [draw(running(number, [lane])) for number in range(draw(st.integers(1, 7)))]
    blocked = [replace(draw(waiting(1, most=6)), job=a_group(1).job)]
    fields: dict[str, Any] = {
        "delays_s": {lane.name: draw(st.sampled_from([0.0, 4.0, 20.0]))},
        "intents": (),
    }
    return Case(blocked, leaks, [lane], draw(runs_of(leaks)), fields)


def held(case: Case, until_s: float, stopped: dict[str, Tasks]) -> int:
    """How many of the tasks that wait have room by then."""
    room, (group,) = free(case, case.lanes[0], until_s, stopped), case.blocked
    assert group.estimate is not None
    each = amount(group.estimate.allocation)
    return each.times_into(room, len(group.waiting)) if NOTHING.within(room) else 0


def left_s(case: Case) -> float:
    return PROMISE_S - (CHOICE_S - case.blocked[0].queued_at_s)


@given(plain_cases())
@settings(max_examples=100, deadline=None)
def test_nobody_waits_beyond_the_promise_where_to_stop_others_would_help(case: Case) -> None:
    runs = case.runs
    could_go = {
        leak.name: leak.open - leak.cancelling - runs.stopping.get(leak.name, Tasks())
        for leak in case.leaks
        if leak.tier == "sweep"
    }
    assert held(case, left_s(case), case.chosen()) == held(case, left_s(case), could_go)


@given(plain_cases())
@settings(max_examples=100, deadline=None)
def test_to_give_one_back_leaves_somebody_short_or_makes_the_wait_dearer(case: Case) -> None:
    """Nobody could be given back without any wait; of one task the wait would cost more."""
    chosen, scene, (group,) = case.chosen(), case.scene(), case.blocked
    assert group.estimate is not None
    second = WORTH * scene.worth(amount(group.estimate.allocation))
    losses = {victim.key: victim.loss for victim in LaneRoom(0, scene, PROMISE_S).victims()}
    delay_s = case.fields["delays_s"][case.lanes[0].name]
    delay_s = min(delay_s, PROMISE_S / 2)
    have = held(case, left_s(case), chosen)
    ends_s = sorted(Ledger().remaining_s(leak, CHOICE_S) + delay_s for leak in case.leaks)
    for name, tasks in chosen.items():
        for task in tasks:
            others = chosen | {name: tasks - Tasks([task])}
            moments = [at_s for at_s in [-inf, *ends_s] if at_s <= left_s(case)]
            soonest_s = next((at for at in moments if held(case, at, others) >= have), inf)
            assert soonest_s > -inf
            if len(group.waiting) == 1:
                wait_s = soonest_s - delay_s
                assert wait_s > delay_s
                assert wait_s * second > losses[name, task]
