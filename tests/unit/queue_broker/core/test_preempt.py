from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from headgate.resources import Resources
from headgate.tenancy import DEFAULT_TIERS
from queue_broker.core import lanes as core_lanes
from queue_broker.core.ledger import ENOUGH_MEASURED, Ledger
from queue_broker.core.preempt import choose
from queue_broker.core.runs import Runs
from queue_broker.core.victims import Scene, Victim
from queue_broker.core.yard import Yard
from queue_broker.events import Started
from queue_broker.records import Group, GroupId, Intent, Lane, Leak, Tasks
from tests.unit.queue_broker.core.scenes import NOW_S, a_group, a_lane, a_leak

PROMISE_S = 30.0


def stopped(
    blocked: Sequence[Group],
    leaks: Sequence[Leak],
    *,
    lanes: Sequence[Lane] = (),
    runs: Runs | None = None,
    later_s: float = 100.0,
    took_s: float | None = None,
    **fields: Any,
) -> dict[str, list[int]]:
    """`took_s`: what tasks like those that run took, often enough to be believed."""
    lanes = lanes or [a_lane()]
    ledger = Ledger.of(leaks, lanes)
    for leak in leaks if took_s is not None else ():
        for _ in range(ENOUGH_MEASURED):
            ledger.measure(leak, took_s or 0.0)
    runs, now_s = runs or Runs(), NOW_S + later_s
    scene = Scene(Yard.of(lanes), ledger, runs, DEFAULT_TIERS, now_s, **fields)
    chosen = choose(blocked, PROMISE_S, scene)
    return {leak: list(tasks) for leak, tasks in chosen.items()}


def urgent(tasks: int = 1, vcpu: float = 1.0) -> Group:
    """Production that has waited for longer than its promise."""
    return a_group(1, tasks, tier="production", vcpu=vcpu, queued_at_s=NOW_S)


def test_a_sweep_gives_way_where_production_would_miss_its_promise() -> None:
    sweep = a_leak(1, a_group(9, tasks=4, runtime_s=9_999))
    assert stopped([urgent()], [sweep]) == {"leak-1": [0]}


def test_a_child_that_could_not_go_again_alone_is_not_stopped() -> None:
    bare = a_leak(1, a_group(9, tasks=4, runtime_s=9_999, tags={"headgate:shim": "off"}))
    assert stopped([urgent()], [bare], lanes=[a_lane(index_by_shim=True)]) == {}
    assert stopped([urgent()], [bare]) == {"leak-1": [0]}


def lately(tasks: int = 1, ago_s: float = 0.0, gpus: int = 0) -> Group:
    """Production that was submitted a little before 100 s, of which `stopped` asks."""
    return a_group(1, tasks, tier="production", gpus=gpus, queued_at_s=NOW_S + 100 - ago_s)


def test_nothing_is_stopped_where_enough_ends_in_time() -> None:
    assert stopped([lately()], [a_leak(1, a_group(9, tasks=4, runtime_s=120))]) == {}


def test_an_end_that_leaves_no_time_to_start_is_not_in_time() -> None:
    sweep = a_leak(1, a_group(9, tasks=4, runtime_s=124))
    assert stopped([lately()], [sweep]) == {}
    assert stopped([lately()], [sweep], delays_s={"lane": 8.0}) == {"leak-1": [0]}


def test_who_has_hardly_begun_goes_rather_than_production_waits() -> None:
    sweep = a_leak(1, a_group(9, tasks=4, runtime_s=120))
    runs = Runs(started_s={"leak-1": {0: NOW_S, 1: NOW_S + 90, 2: NOW_S, 3: NOW_S}})
    assert stopped([lately()], [sweep], runs=runs) == {"leak-1": [1]}


def test_nobody_is_stopped_for_a_wait_no_longer_than_a_start() -> None:
    sweep = a_leak(1, a_group(9, tasks=4, runtime_s=104))
    runs = Runs(started_s={"leak-1": {0: NOW_S + 99.9}})
    assert stopped([lately()], [sweep], runs=runs) == {"leak-1": [0]}
    assert stopped([lately()], [sweep], runs=runs, delays_s={"lane": 4.0}) == {}


def test_of_several_tasks_each_takes_what_costs_less_a_wait_or_a_stop() -> None:
    soon = a_leak(1, a_group(8, tasks=2, runtime_s=110))
    young = a_leak(2, a_group(9, tasks=2, runtime_s=9_999))
    runs = Runs(started_s={"leak-2": {0: NOW_S + 95, 1: NOW_S + 60}})
    assert stopped([lately(tasks=1)], [soon, young], runs=runs) == {"leak-2": [0]}
    assert stopped([lately(tasks=3)], [soon, young], runs=runs) == {"leak-2": [0]}
    assert stopped([lately(tasks=4)], [soon, young], runs=runs) == {"leak-2": [0, 1]}


def test_an_end_is_not_waited_for_where_the_others_go_all_the_same() -> None:
    """Of eight that a wide task needs the room of, one ends after 20 s."""
    lanes, wide = [a_lane(vcpu=8)], a_group(1, tier="production", vcpu=8, queued_at_s=NOW_S + 100)
    soon, others = a_leak(1, a_group(8, runtime_s=120)), a_leak(2, a_group(9, 7, runtime_s=9_999))
    all_go = {"leak-1": [0], "leak-2": list(range(7))}
    assert stopped([wide], [soon, others], lanes=lanes) == all_go
    young = Runs(started_s={"leak-2": dict.fromkeys(range(7), NOW_S + 99)})
    assert stopped([wide], [soon, others], lanes=lanes, runs=young) == all_go
    at_once = a_leak(1, a_group(8, runtime_s=102))
    spared = stopped([wide], [at_once, others], lanes=lanes, runs=young)
    assert spared == {"leak-2": list(range(7))}


def test_ends_that_only_together_make_the_room_are_waited_for_together() -> None:
    lanes, wide = [a_lane(vcpu=2)], a_group(1, tier="production", vcpu=2, queued_at_s=NOW_S + 100)
    ending = [a_leak(n, a_group(n, runtime_s=runtime_s)) for n, runtime_s in ((1, 110), (2, 111))]
    young = Runs(started_s={"leak-1": {0: NOW_S + 99}})
    assert stopped([wide], ending, lanes=lanes, runs=young) == {}


def test_who_waits_for_an_end_waits_for_others_at_the_same_moment_too() -> None:
    lanes, wide = [a_lane(vcpu=8)], a_group(1, tier="production", vcpu=8, queued_at_s=NOW_S + 100)
    ending = [a_leak(number, a_group(number, runtime_s=120)) for number in range(8)]
    assert stopped([wide], ending, lanes=lanes) == {}


def test_nobody_is_stopped_for_who_waits_for_an_end_already() -> None:
    soon = a_leak(1, a_group(8, tasks=1, runtime_s=110))
    others = a_leak(2, a_group(9, tasks=3, runtime_s=9_999))
    assert stopped([lately(tasks=2)], [soon, others]) == {"leak-2": [0]}


def test_who_has_waited_longer_does_not_count_on_the_ends_that_are_in_time_for_others() -> None:
    sweep = a_leak(1, a_group(9, tasks=4, runtime_s=120))
    late = a_group(2, tier="production", queued_at_s=NOW_S + 75)
    assert stopped([lately(), late], [sweep]) == {"leak-1": [0]}


def test_room_for_a_wide_task_is_made_on_one_instance() -> None:
    narrow = a_leak(1, a_group(9, tasks=4, gpus=1, runtime_s=9_999))
    lanes = [a_lane(gpus=2, instances=2, running=2)]
    wide = lately(gpus=2)
    started = {0: NOW_S + 90, 1: NOW_S, 2: NOW_S + 80, 3: NOW_S + 70}
    somewhere = Runs(started_s={"leak-1": started})
    assert stopped([wide], [narrow], lanes=lanes, runs=somewhere) == {"leak-1": [0, 2]}
    where = {"leak-1": {0: "a", 1: "a", 2: "b", 3: "b"}}
    known = Runs(started_s={"leak-1": started}, instances=where)
    assert stopped([wide], [narrow], lanes=lanes, runs=known) == {"leak-1": [2, 3]}
    both = [lately(tasks=2, gpus=2)]
    assert stopped(both, [narrow], lanes=lanes, runs=known) == {"leak-1": [0, 1, 2, 3]}


def test_ends_on_several_instances_make_no_room_together() -> None:
    ending = [a_leak(n, a_group(n, gpus=1, runtime_s=110)) for n in (1, 2)]
    young = a_leak(3, a_group(9, tasks=2, gpus=1, runtime_s=9_999))
    lanes = [a_lane(gpus=2, instances=2, running=2)]
    where = {"leak-1": {0: "a"}, "leak-2": {0: "b"}, "leak-3": {0: "a", 1: "b"}}
    assert stopped([lately(gpus=1)], [*ending, young], lanes=lanes) == {}
    runs = Runs(instances=where)
    gone = stopped([lately(gpus=2)], [*ending, young], lanes=lanes, runs=runs)
    assert gone == {"leak-1": [0], "leak-3": [0]}


def test_room_behind_a_lanes_own_queue_is_none() -> None:
    for_gpus = a_leak(1, a_group(9, tasks=2, gpus=1, runtime_s=9_999))
    lanes = [a_lane(vcpu=16, gpus=1, queues=True)]
    assert stopped([urgent()], [for_gpus], lanes=lanes) == {"leak-1": [0]}


def test_nothing_is_stopped_where_kin_ended_in_time_whatever_was_asked_for() -> None:
    sweep = a_leak(1, a_group(9, tasks=4, runtime_s=3_600))
    assert stopped([lately()], [sweep]) == {"leak-1": [0]}
    assert stopped([lately()], [sweep], took_s=120.0) == {}


def test_kin_that_took_longer_than_foretold_do_not_keep_production_waiting() -> None:
    sweep = a_leak(1, a_group(9, tasks=4, runtime_s=20))
    waiting = a_group(1, tier="production", queued_at_s=NOW_S)
    assert stopped([waiting], [sweep], later_s=5.0, took_s=900.0) == {"leak-1": [0]}


def test_never_more_is_stopped_than_needed() -> None:
    sweep = a_leak(1, a_group(9, tasks=4, runtime_s=9_999))
    assert stopped([urgent(tasks=2)], [sweep]) == {"leak-1": [0, 1]}


def test_small_victims_that_a_large_one_makes_needless_are_spared() -> None:
    small = a_leak(1, a_group(8, tasks=1, vcpu=1, runtime_s=9_999))
    large = a_leak(2, a_group(9, tasks=1, vcpu=3, runtime_s=9_999))
    assert stopped([urgent(vcpu=3)], [small, large]) == {"leak-2": [0]}


def test_the_least_work_done_goes_first() -> None:
    sweep = a_leak(1, a_group(9, tasks=4, runtime_s=9_999))
    runs = Runs(started_s={"leak-1": {0: NOW_S, 1: NOW_S, 2: NOW_S + 90, 3: NOW_S}})
    assert stopped([urgent()], [sweep], runs=runs) == {"leak-1": [2]}


def test_a_task_that_writes_checkpoints_loses_less() -> None:
    plain = a_leak(1, a_group(8, tasks=2, runtime_s=9_999))
    tags = {"headgate:checkpoints": "true"}
    saving = a_leak(2, a_group(9, tasks=2, runtime_s=9_999, tags=tags))
    assert stopped([urgent()], [plain, saving]) == {"leak-2": [0]}


def test_tiers_that_are_not_preemptible_are_left_alone() -> None:
    others = a_leak(1, a_group(9, tasks=4, tier="interactive", runtime_s=9_999))
    assert stopped([urgent()], [others]) == {}


def test_what_is_being_stopped_counts_as_coming_free() -> None:
    sweep = a_leak(1, a_group(9, tasks=4, runtime_s=9_999))
    assert stopped([urgent()], [sweep], runs=Runs(stopping={"leak-1": Tasks([0])})) == {}


def test_room_that_others_are_given_now_is_not_free() -> None:
    sweep = a_leak(1, a_group(9, tasks=3, runtime_s=9_999))
    intent = Intent(GroupId(8), 1, Tasks([0]), "lane", Resources(1, 1_024))
    assert stopped([urgent()], [sweep]) == {}
    assert stopped([urgent()], [sweep], intents=[intent]) == {"leak-1": [0]}


def test_who_goes_now_wants_nobody_stopped() -> None:
    sweep = a_leak(1, a_group(9, tasks=3, runtime_s=9_999))
    intent = Intent(GroupId(1), 1, Tasks([0]), "lane", Resources(1, 1_024))
    assert stopped([urgent(tasks=2)], [sweep], intents=[intent]) == {"leak-1": [0]}


def test_a_tier_whose_share_is_long_due_is_spared() -> None:
    sweep = a_leak(1, a_group(9, tasks=4, runtime_s=9_999))
    assert stopped([urgent()], [sweep], spared={"sweep"}) == {}


def test_the_dearer_lane_is_left_running() -> None:
    lanes = [a_lane("cheap", price_usd_hour=0.1), a_lane("dear", price_usd_hour=1.0)]
    leaks = [
        a_leak(1, a_group(8, tasks=4, runtime_s=9_999), lane="dear"),
        a_leak(2, a_group(9, tasks=4, runtime_s=9_999), lane="cheap"),
    ]
    assert stopped([urgent()], leaks, lanes=lanes) == {"leak-2": [0]}


def test_one_lane_after_the_other_gives_up_what_costs_least() -> None:
    lanes = [a_lane("cheap", price_usd_hour=0.1), a_lane("dear", price_usd_hour=1.0)]
    leaks = [
        a_leak(1, a_group(8, tasks=4, runtime_s=9_999), lane="dear"),
        a_leak(2, a_group(9, tasks=4, runtime_s=9_999), lane="cheap"),
    ]
    assert stopped([urgent(tasks=6)], leaks, lanes=lanes) == {
        "leak-2": [0, 1, 2, 3],
        "leak-1": [0, 1],
    }


def test_only_the_lane_that_gave_somebody_up_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    offer_for = core_lanes.Lane.offer_for

    def counted(self: core_lanes.Lane, want: core_lanes.Want) -> tuple[Victim, ...] | None:
        asked.append(self.place)
        return offer_for(self, want)

    monkeypatch.setattr(core_lanes.Lane, "offer_for", counted)
    lanes = [a_lane(f"lane-{number}", instances=5) for number in range(10)]
    leaks = [a_leak(n, a_group(n, tasks=20), lane=f"lane-{n}") for n in range(10)]
    assert sum(map(len, stopped([urgent(tasks=50)], leaks, lanes=lanes).values())) == 50
    assert len(asked) == 10 + 50


def test_starts_are_learnt_and_forgotten_with_their_leak() -> None:
    leak = a_leak(1, a_group(9, tasks=2))
    runs = Runs(stopping={"leak-1": Tasks([0])})
    runs.learn([Started("leak-1", 0, 5.0)], {"leak-1": leak}, {"sweep"})
    assert runs.elapsed_s(leak, 0, 15.0) == 10.0
    runs.forget(["leak-1", "leak-2"])
    assert not runs.started_s
    assert not runs.stopping
