from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from headgate.resources import Resources
from headgate.tenancy import Quota, Tenant
from queue_broker.core.intents import MAX_LEAK
from queue_broker.core.leak import MOST_FRUITLESS
from queue_broker.core.window import Window
from queue_broker.records import Group, GroupId, Lane, Tasks
from tests.unit.queue_broker.core.scenes import (
    a_group,
    a_lane,
    a_leak,
    by_lane,
    decided,
    leaked,
)


def test_no_more_is_leaked_than_fits() -> None:
    decision = decided([a_group(1, tasks=100)], [a_lane(vcpu=4, instances=2)])
    assert leaked(decision) == {1: 8}
    assert decision.holds == {1: "no room: every lane that could hold it is busy"}


def test_where_every_lane_is_closed_what_waits_says_so_and_why() -> None:
    drained = a_lane("drained", closed="the queue is DISABLED")
    small = a_lane("small", vcpu=1)
    wide = a_group(1, vcpu=2)

    assert decided([wide], [drained, small]).holds == {
        1: "no room: every lane that could hold it is closed; drained: the queue is DISABLED"
    }
    busy = decided([wide, a_group(2, vcpu=4)], [drained, a_lane("other", instances=1)])
    assert list(busy.holds.values()) == ["no room: every lane that could hold it is busy"]


def test_hundreds_that_a_quota_holds_back_keep_nobody_behind_them_waiting() -> None:
    small = Tenant(name="small", quota=Quota(vcpu=4), borrow=False)
    bound = [replace(a_group(n), tenant=f"small/{n % 20}") for n in range(2 * MOST_FRUITLESS)]
    others = range(len(bound), len(bound) + 50)
    free = [replace(a_group(n), tenant="large/ada") for n in others]

    went = leaked(decided([*bound, *free], [a_lane(vcpu=4, instances=100)], tenants=[small]))

    assert sum(went.values()) == 4 + 50
    assert went.keys() >= set(others)


def test_the_lowest_indexes_go_first() -> None:
    assert list(decided([a_group(1, tasks=100)]).intents[0].tasks) == [0, 1, 2, 3]


def test_tasks_are_packed_on_instances_and_not_on_their_sum() -> None:
    three = a_group(1, tasks=9, vcpu=3)
    assert leaked(decided([three], [a_lane(vcpu=4, instances=3)])) == {1: 3}


def test_what_fits_on_no_lane_says_what_it_needs_and_what_there_is() -> None:
    decision = decided([a_group(1, memory_mib=99_999)])
    assert decision.holds == {
        1: "fits no lane: needs 1 vCPU, 99,999 MiB; the largest of each that one host has is "
        "4 vCPU, 16,384 MiB"
    }


def test_what_asks_for_an_architecture_that_no_lane_has_says_which_there_is() -> None:
    decision = decided([a_group(1, arch="arm64")], [a_lane()])
    assert decision.holds == {1: "fits no lane: arch: needs arm64; there is x86_64"}


def test_where_there_is_no_lane_what_waits_says_how_to_make_one() -> None:
    decision = decided([a_group(1)], [])
    assert decision.holds == {1: "there is no lane; `headgate lanes apply` makes them"}


@pytest.mark.parametrize(
    ("asked", "lane", "goes"),
    [
        ({"arch": "arm64"}, a_lane(), False),
        ({"arch": "arm64"}, a_lane(arch="arm64"), True),
        ({"gpu_model": "T4"}, a_lane(gpus=1, gpu_model="T4"), True),
        ({"gpu_model": "A100"}, a_lane(gpus=1, gpu_model="T4"), False),
        ({"gpu_memory_mib": 20_000}, a_lane(gpus=1, gpu_memory_mib=16_384), False),
    ],
)
def test_constraints_choose_the_lane(asked: dict[str, Any], lane: Lane, goes: bool) -> None:
    gpus = 0 if "arch" in asked else 1
    decision = decided([a_group(1, gpus=gpus, **asked)], [lane])
    assert bool(decision.intents) is goes


def test_a_closed_lane_gets_nothing() -> None:
    lanes = [a_lane("a", closed="no capacity"), a_lane("b")]
    assert by_lane(decided([a_group(1, tasks=99)], lanes)) == {"b": 4}


def test_instances_that_run_are_filled_before_new_ones_are_started() -> None:
    lanes = [
        a_lane("cheap", price_usd_hour=0.1, running=0),
        a_lane("running", price_usd_hour=0.2, running=1),
    ]
    assert by_lane(decided([a_group(1, tasks=6)], lanes)) == {"running": 4, "cheap": 2}


def test_new_instances_are_packed_together_for_less_money() -> None:
    """A turn takes what is cheapest by the vCPU; but one small task fills no large instance."""
    lanes = [
        a_lane("large", vcpu=16, memory_mib=65_536, price_usd_hour=1.0, running=0),
        a_lane("small", vcpu=4, memory_mib=16_384, price_usd_hour=0.3, running=0),
    ]
    assert by_lane(decided([a_group(1, tasks=2)], lanes)) == {"small": 2}
    assert by_lane(decided([a_group(1, tasks=16)], lanes)) == {"large": 16}


def test_a_large_group_is_cut_into_calls_that_batch_takes() -> None:
    decision = decided([a_group(1, tasks=25_000, memory_mib=1)], [a_lane(instances=99_999)])
    assert [len(intent.tasks) for intent in decision.intents] == [MAX_LEAK, MAX_LEAK, 5_000]


def test_backfill_never_delays_the_head_of_the_queue() -> None:
    running = a_leak(1, a_group(9, tasks=3, runtime_s=100))
    head = a_group(1, vcpu=4, queued_at_s=0)
    short = a_group(2, tasks=1, runtime_s=40, queued_at_s=1)
    long_ = a_group(3, tasks=1, runtime_s=90, queued_at_s=1)
    assert leaked(decided([head, short], leaks=[running])) == {2: 1}
    late = decided([head, long_], leaks=[running])
    assert leaked(late) == {}
    assert late.holds[long_.group_id] == "held back: room is kept for the head of the queue"


def test_backfill_may_use_what_the_head_leaves_over() -> None:
    running = a_leak(1, a_group(9, tasks=2, runtime_s=100))
    head = a_group(1, vcpu=3, queued_at_s=0)
    long_ = a_group(2, tasks=2, runtime_s=9_999, queued_at_s=1)
    assert leaked(decided([head, long_], leaks=[running])) == {2: 1}


def test_a_gang_starts_whole_or_not_at_all() -> None:
    gang = {"headgate:gang": "true"}
    assert leaked(decided([a_group(1, tasks=5, tags=gang)])) == {}
    assert leaked(decided([a_group(1, tasks=4, tags=gang)])) == {1: 4}
    split = [a_lane("one"), a_lane("two")]
    assert leaked(decided([a_group(1, tasks=6, tags=gang)], split)) == {}


BARE = {"headgate:shim": "off"}


def batch(name: str = "lane", **fields: Any) -> Lane:
    return a_lane(name, index_by_shim=True, queues=True, **fields)


def test_an_array_without_the_shim_goes_to_one_lane_whole_or_not_at_all() -> None:
    array = a_group(1, tasks=6, tags=BARE)
    assert by_lane(decided([array], [batch("one"), batch("two", instances=2)])) == {"two": 6}
    busy = a_leak(1, a_group(9, tasks=3), lane="two")
    held = decided([array], [batch("one"), batch("two", instances=2)], [busy])
    assert held.intents == ()
    assert held.holds[array.group_id].startswith("no room for the whole array on one lane")


def test_an_array_larger_than_every_lane_goes_whole_where_the_largest_is_free() -> None:
    array = a_group(1, tasks=100, tags=BARE)
    assert by_lane(decided([array], [batch("one"), batch("two", instances=2)])) == {"two": 100}


def test_where_the_engine_tells_every_task_its_index_arrays_are_split_as_ever() -> None:
    assert leaked(decided([a_group(1, tasks=100, tags=BARE)])) == {1: 4}


def test_a_part_of_an_array_without_the_shim_is_left_for_the_cycle_to_give_up() -> None:
    part = replace(a_group(1, tasks=4, tags=BARE), waiting=Tasks([1]))
    decision = decided([part], [batch()])
    assert decision.intents == ()
    assert decision.parts == (part,)
    assert "only a whole array" in decision.holds[part.group_id]


def test_a_lane_that_keeps_a_queue_takes_a_window_more_than_it_has_room_for() -> None:
    full = a_leak(1, a_group(9, tasks=4))
    lane = a_lane(queues=True)
    windows = {"lane": Window(limit_s=30)}  # a task takes a quarter of the lane for 60 s
    assert leaked(decided([a_group(1, tasks=99)], [lane], [full], windows=windows)) == {1: 2}


def test_a_queue_that_is_not_half_drained_is_left_alone() -> None:
    lane, group = a_lane(queues=True), a_group(1, tasks=99)
    waiting = replace(a_leak(1, a_group(9, tasks=6)), running=Tasks())  # two of them, for 30 s
    for limit_s, room in ((50, {}), (90, {1: 4})):
        windows = {"lane": Window(limit_s=limit_s)}
        assert leaked(decided([group], [lane], [waiting], windows=windows)) == room


def test_room_is_free_as_soon_as_the_engine_says_so() -> None:
    full = a_leak(1, a_group(9, tasks=4))
    lane = a_lane(ended=((full.allocation, 3),))
    assert leaked(decided([a_group(1, tasks=99)], [lane], [full])) == {1: 3}
    assert leaked(decided([a_group(1, tasks=9, vcpu=3)], [lane], [full])) == {1: 1}


def test_the_first_tier_never_queues_behind_others_in_a_lane() -> None:
    full = a_leak(1, a_group(9, tasks=4))
    decision = decided([a_group(1, tasks=9, tier="production")], [a_lane(queues=True)], [full])
    assert leaked(decision) == {}
    assert [group.group_id for group in decision.blocked] == [1]


def test_nobody_queues_ahead_of_a_higher_tier_that_waits() -> None:
    full = a_leak(1, a_group(9, tasks=4))
    groups = [a_group(1, tier="production"), a_group(2, tasks=9)]
    assert leaked(decided(groups, [a_lane(queues=True)], [full])) == {}


def test_headroom_is_for_the_first_tier_alone() -> None:
    groups = [a_group(1, tasks=9), a_group(2, tasks=1, tier="production")]
    headroom = Resources(2, 2048)
    assert leaked(decided(groups[:1], headroom=headroom)) == {1: 2}
    assert leaked(decided(groups, headroom=headroom)) == {2: 1, 1: 1}


def test_calls_are_spent_on_the_first_tier_first() -> None:
    groups = [a_group(number, tier="sweep", memory_mib=1) for number in range(1, 4)]
    groups.append(a_group(9, tier="production", memory_mib=1))
    decision = decided(groups, calls=1)
    assert leaked(decision) == {9: 1}
    assert set(decision.holds) == {1, 2, 3}


def test_a_group_in_several_lanes_gives_each_task_to_one_of_them() -> None:
    lanes = [a_lane("a"), a_lane("b")]
    decision = decided([a_group(1, tasks=6)], lanes)
    tasks = [task for intent in decision.intents for task in intent.tasks]
    assert sorted(tasks) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_order_of_the_input_does_not_matter(order: Sequence[int]) -> None:
    groups: list[Group] = [
        a_group(1, tasks=3, tenant="a"),
        a_group(2, tasks=3, tenant="b"),
        a_group(3, tasks=3, tenant="a", tier="production"),
    ]
    given = [groups[place] for place in order]
    assert leaked(decided(given)) == {3: 3, 1: 1}


def test_what_stands_in_a_tier_that_is_no_more_says_so() -> None:
    decision = decided([a_group(1, tier="gone"), a_group(2)])
    assert leaked(decision) == {2: 1}
    assert "its tier is no more" in decision.holds[GroupId(1)]
