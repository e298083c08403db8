"""Where a choice of victims takes room for free, and where it must not: what holds of lanes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from headgate.resources import Resources
from headgate.tenancy import DEFAULT_TIERS
from queue_broker.core.lanes import Lane as LaneRoom
from queue_broker.core.ledger import Ledger
from queue_broker.core.preempt import choose
from queue_broker.core.runs import Runs
from queue_broker.core.victims import Scene
from queue_broker.core.yard import Yard
from queue_broker.records import Group, GroupId, Intent, Lane, Leak, Tasks
from tests.unit.queue_broker.core.scenes import NOW_S, a_group, a_lane, a_leak

PROMISE_S = 30.0
LATER_S = 100.0  #: so long all has run
LONG_S = 9_999.0


def stopped(
    blocked: Sequence[Group],
    leaks: Sequence[Leak],
    lanes: Sequence[Lane],
    runs: Runs | None = None,
    **fields: Any,
) -> dict[str, list[int]]:
    scene = Scene(
        Yard.of(lanes),
        Ledger.of(leaks, lanes),
        runs or Runs(),
        DEFAULT_TIERS,
        NOW_S + LATER_S,
        lanes=lanes,
        **fields,
    )
    return {leak: list(tasks) for leak, tasks in choose(blocked, PROMISE_S, scene).items()}


def wanted(tasks: int = 1, *, ago_s: float = 0.0, number: int = 1, **shape: Any) -> Group:
    queued_at_s = NOW_S + LATER_S - ago_s
    return a_group(number, tasks, tier="production", queued_at_s=queued_at_s, **shape)


def a_sweep(number: int = 1, tasks: int = 1, lane: str = "lane", **shape: Any) -> Leak:
    return a_leak(number, a_group(90 + number, tasks, **({"runtime_s": LONG_S} | shape)), lane)


def on(where: Mapping[str, str], **fields: Any) -> Runs:
    """On which instance the tasks of leaks are, from 0 on: a letter each."""
    return Runs(instances={leak: dict(enumerate(at)) for leak, at in where.items()}, **fields)


def test_a_closed_lane_is_no_room_and_gives_nobody_up() -> None:
    lanes = [a_lane("open"), a_lane("shut", closed="no capacity")]
    full, half = a_sweep(1, 4, "open"), a_sweep(2, 2, "shut")
    assert stopped([wanted()], [full, half], lanes) == {"leak-1": [0]}
    assert stopped([wanted()], [half], lanes[1:]) == {}


def test_scraps_of_several_instances_are_no_room() -> None:
    lanes = [a_lane(instances=2, running=2)]
    sweep = a_sweep(tasks=4)
    assert stopped([wanted(vcpu=3.0)], [sweep], lanes, on({sweep.name: "aaab"})) == {}
    assert len(stopped([wanted(vcpu=3.0)], [sweep], lanes, on({sweep.name: "aabb"}))["leak-1"]) == 1
    assert len(stopped([wanted(vcpu=3.0)], [sweep], lanes)) == 0  # who knows


def test_room_on_one_instance_is_given_once() -> None:
    lanes, sweep = [a_lane(instances=2, running=2)], a_sweep(tasks=4)
    runs = on({sweep.name: "aaab"})
    two = stopped([wanted(2, vcpu=3.0)], [sweep], lanes, runs)
    given = Intent(GroupId(8), 1, Tasks([0]), "lane", Resources(3, 1_024))
    second = stopped([wanted(vcpu=3.0)], [sweep], lanes, runs, intents=[given])
    assert two == second == {"leak-1": [0, 1]}


def test_an_end_is_waited_for_where_it_is_enough_on_one_instance() -> None:
    lanes = [a_lane(instances=2, running=2)]
    leaks = [a_sweep(1, 2, runtime_s=LATER_S + 2), a_sweep(2, 2)]
    whole = [wanted(vcpu=4.0)]
    assert stopped(whole, leaks, lanes, on({"leak-1": "aa", "leak-2": "bb"})) == {}
    assert "leak-2" in stopped(whole, leaks, lanes, on({"leak-1": "ab", "leak-2": "ab"}))


def test_what_has_ended_untold_is_room() -> None:
    ended = ((Resources(1, 1_024), 2),)
    lanes = [a_lane(ended=ended)]
    given = Intent(GroupId(8), 1, Tasks([0]), "lane", Resources(1, 1_024))
    assert stopped([wanted()], [a_sweep(tasks=4)], lanes, intents=[given]) == {}
    again = stopped([wanted()], [a_sweep(tasks=4)], lanes, intents=[given, given])
    assert again == {"leak-1": [0]}


def test_what_somebody_cancelled_is_coming_free() -> None:
    sweep = replace(a_sweep(tasks=4), cancelling=Tasks([2]))
    assert stopped([wanted()], [sweep], [a_lane()]) == {}
    assert stopped([wanted(2)], [sweep], [a_lane()]) == {"leak-1": [0]}


def test_scraps_that_hold_no_further_task_of_a_shape_are_no_room_for_it() -> None:
    """Each of three instances holds one task of three vCPUs; the three that are left hold none."""
    lanes = [a_lane(instances=3, running=3)]
    alike = a_sweep(1, 3, vcpu=3.0)
    assert stopped([wanted(vcpu=3.0)], [alike], lanes) == {"leak-1": [0]}
    small = a_sweep(2, 3)
    young = Runs(started_s={"leak-2": dict.fromkeys(range(3), NOW_S + LATER_S)})
    assert stopped([wanted(vcpu=3.0)], [alike, small], lanes, young) == {"leak-1": [0]}


def test_one_that_goes_makes_room_for_a_wide_task_only_on_its_own_instance() -> None:
    """The sum of three instances has one vCPU a piece left: with another it would look enough."""
    lanes = [a_lane(instances=3, running=3)]
    narrow = a_sweep(1, 9)
    runs = on({"leak-1": "aaabbbccc"})
    assert stopped([wanted(vcpu=4.0)], [narrow], lanes, runs) == {"leak-1": [0, 1, 2]}


def test_who_would_queue_for_the_room_goes_too() -> None:
    lanes = [a_lane(instances=2, running=2, queues=True)]
    queued = replace(a_sweep(2, 2), running=Tasks())
    runs = on({"leak-1": "aaaabbbb"})
    gone = stopped([wanted(vcpu=2.0)], [a_sweep(1, 8), queued], lanes, runs)
    assert gone == {"leak-1": [0, 1], "leak-2": [0, 1]}


def test_what_is_left_of_a_victims_room_is_used_where_instances_are_known() -> None:
    lanes = [a_lane(instances=2, running=2)]
    runs = on({"leak-1": "aabb"})
    blocked = [wanted(vcpu=4.0, ago_s=1.0), wanted(2, number=2)]
    gone = stopped(blocked, [a_sweep(1, 4, vcpu=2.0)], lanes, runs)
    assert gone == {"leak-1": [0, 1, 2]}


def test_who_goes_for_a_small_task_does_not_go_for_a_wide_one_again() -> None:
    lanes = [a_lane(instances=2, running=2)]
    runs = on({"leak-1": "aaaabbbb"}, started_s={"leak-1": {0: NOW_S + 90, 1: NOW_S + 80}})
    blocked = [wanted(ago_s=1.0), wanted(vcpu=4.0, number=2)]
    gone = stopped(blocked, [a_sweep(1, 8)], lanes, runs)
    assert gone == {"leak-1": [0, 4, 5, 6, 7]}


def test_the_end_of_who_goes_is_not_counted_as_well() -> None:
    """One of two goes at once; their leak's end, which the others wait for, frees only one more."""
    lanes = [a_lane(vcpu=3)]
    soon, later = a_sweep(1, 2, runtime_s=LATER_S + 20), a_sweep(2, 1)
    young = Runs(started_s={"leak-1": {0: NOW_S + 90}, "leak-2": {0: NOW_S + 20}})
    assert stopped([wanted(3)], [soon, later], lanes, young) == {"leak-1": [0], "leak-2": [0]}


def test_ends_count_in_the_order_of_the_starts_that_they_allow() -> None:
    lanes = [a_lane("slow"), a_lane("quick")]
    slow = a_sweep(1, 4, "slow", runtime_s=LATER_S + 22)
    quick = a_sweep(2, 4, "quick", runtime_s=LATER_S + 24)
    assert stopped([wanted()], [slow, quick], lanes, delays_s={"slow": 15.0}) == {}


def test_where_some_lane_has_no_price_work_is_weighed_by_its_size() -> None:
    lanes = [a_lane("own"), a_lane("rented", price_usd_hour=1.0)]
    own = a_sweep(1, 4, "own", runtime_s=LATER_S + 20)
    rented = a_sweep(2, 4, "rented")
    assert stopped([wanted()], [own, rented], lanes) == {}


def test_a_dear_lane_does_not_make_a_wait_dearer_where_others_are_stopped() -> None:
    lanes = [a_lane("cheap", price_usd_hour=0.1), a_lane("dear", price_usd_hour=9.0)]
    cheap, dear = a_sweep(1, 4, "cheap", runtime_s=LATER_S + 20), a_sweep(2, 4, "dear")
    assert stopped([wanted()], [cheap, dear], lanes) == {}


def test_a_gang_gets_its_room_in_one_lane() -> None:
    lanes = [a_lane("one"), a_lane("two"), a_lane("half", vcpu=2)]
    leaks = [a_sweep(1, 4, "one"), a_sweep(2, 4, "two"), a_sweep(3, 2, "half")]
    young = Runs(started_s={"leak-3": {0: NOW_S + 99, 1: NOW_S + 99}, "leak-1": {0: NOW_S + 99}})
    gang = wanted(3, tags={"headgate:gang": "true"})
    assert stopped([gang], leaks, lanes, young) == {"leak-1": [0, 1, 2]}
    assert stopped([wanted(9, tags={"headgate:gang": "true"})], leaks, lanes) == {}


def test_for_an_array_that_goes_whole_one_lane_is_emptied_at_the_most() -> None:
    lanes = [a_lane(name, index_by_shim=True) for name in ("one", "two")]
    leaks = [a_sweep(1, 4, "one"), a_sweep(2, 4, "two")]
    whole = wanted(50, tags={"headgate:shim": "off"})
    assert stopped([whole], leaks, lanes) == {"leak-1": [0, 1, 2, 3]}


def test_who_is_needless_beside_a_larger_one_that_goes_for_the_next_stays() -> None:
    small, large = a_sweep(1), a_sweep(2, vcpu=3.0)
    young = Runs(started_s={"leak-1": {0: NOW_S + 99}})
    assert stopped([wanted()], [small, large], [a_lane()], young) == {"leak-1": [0]}
    assert stopped([wanted(2)], [small, large], [a_lane()], young) == {"leak-2": [0]}
    lanes, runs = [a_lane(instances=2, running=2)], on({"leak-1": "a", "leak-2": "a"})
    fixed = a_sweep(3, 4, tier="interactive")
    runs.instances["leak-3"] = dict.fromkeys(range(4), "b")
    assert stopped([wanted(2)], [small, large, fixed], lanes, runs) == {"leak-2": [0]}


def test_what_has_passed_is_not_walked_through_for_each_group_that_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    passes = LaneRoom.passes

    def counted(self: LaneRoom, at: int) -> bool:
        asked.append(at)
        return passes(self, at)

    monkeypatch.setattr(LaneRoom, "passes", counted)
    lanes = [a_lane(vcpu=40)]
    leaks = [a_sweep(number, runtime_s=LATER_S + 20) for number in range(40)]
    blocked = [wanted(number=number) for number in range(100, 140)]
    assert stopped(blocked, leaks, lanes) == {}
    assert len(asked) == len(leaks)
