"""Tasks at the head of a lane's queue that find room in its sum, and on none of its instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from headgate.tenancy import DEFAULT_TIERS
from queue_broker.core.ledger import Ledger
from queue_broker.core.runs import Runs
from queue_broker.core.stuck import Head, cheapest, heads, waiting
from queue_broker.core.victims import Scene
from queue_broker.core.yard import Yard
from queue_broker.records import Lane, Leak, Tasks
from tests.unit.queue_broker.core.scenes import NOW_S, a_group, a_lane, a_leak

#: Two instances of four vCPUs, with three tasks of one on each: two are left, one on each.
LANE = a_lane(instances=2, queues=True, running=2)
RUN = a_leak(1, a_group(1, tasks=6, runtime_s=9_999))
WHERE = {0: "i-0", 1: "i-0", 2: "i-0", 3: "i-1", 4: "i-1", 5: "i-1"}


def wide(tier: str = "production", vcpu: float = 2.0, number: int = 2) -> Leak:
    """One task that has been handed over, and has not started."""
    leak = a_leak(number, a_group(number, tier=tier, vcpu=vcpu))
    return replace(leak, running=Tasks())


def scene_of(
    *leaks: Leak,
    lane: Lane = LANE,
    where: Mapping[int, str] = WHERE,
    later_s: float = 60.0,
    **runs: Any,
) -> Scene:
    known = Runs(instances={RUN.name: dict(where)}, **runs)
    now_s = NOW_S + later_s
    return Scene(Yard.of([lane]), Ledger.of(leaks, [lane]), known, DEFAULT_TIERS, now_s)


def stuck(scene: Scene) -> list[str]:
    return [head.entry.leak.name for head in heads({"lane"}, scene)]


def the_head(scene: Scene) -> Head:
    (head,) = heads({"lane"}, scene)
    return head


def test_a_task_that_only_the_sum_of_the_scraps_would_hold_is_stuck() -> None:
    assert stuck(scene_of(RUN, wide())) == ["leak-2"]
    assert stuck(scene_of(RUN, wide(vcpu=1.0))) == []


def test_it_is_not_before_others_would_have_started() -> None:
    assert stuck(scene_of(RUN, wide(), later_s=4.0)) == []
    slow = replace(scene_of(RUN, wide(), later_s=30.0), delays_s={"lane": 28.0})
    assert stuck(slow) == []


def test_what_waits_behind_a_full_lane_is_not_stuck_but_queues() -> None:
    full = a_leak(1, a_group(1, tasks=8, runtime_s=9_999))
    where = {task: f"i-{task // 4}" for task in range(8)}
    assert stuck(scene_of(full, wide(), where=where)) == []


def test_where_batch_may_start_an_instance_nothing_is_stuck() -> None:
    assert heads(set(), scene_of(RUN, wide())) == []


def test_nobody_is_called_stuck_while_it_is_not_known_where_all_tasks_run() -> None:
    assert stuck(scene_of(RUN, wide(), where={**WHERE} | {9: ""})) == ["leak-2"]
    assert stuck(scene_of(RUN, wide(), where={0: "i-0"})) == []


def test_those_of_one_instance_are_stopped_and_no_more_than_needed_where_that_loses_least() -> None:
    ran_s = {RUN.name: {task: NOW_S - (500 if task < 3 else 100) for task in range(6)}}
    (gone,) = cheapest(the_head(scene_of(RUN, wide(), started_s=ran_s)))
    assert gone.task in {3, 4, 5}


def test_what_waits_behind_the_head_has_no_seat_before_it() -> None:
    assert stuck(scene_of(RUN, wide(), replace(wide(vcpu=1.0, number=3)))) == ["leak-2"]


def test_an_instance_with_nothing_on_it_has_room() -> None:
    three = replace(LANE, instances=3, running=3)
    assert stuck(scene_of(RUN, wide(), lane=three)) == []


def test_room_that_is_coming_free_is_room() -> None:
    assert stuck(scene_of(RUN, wide(), stopping={RUN.name: Tasks([4])})) == []


def test_nobody_is_stopped_where_that_would_not_be_enough() -> None:
    fixed = a_leak(1, a_group(1, tasks=6, tier="interactive", runtime_s=9_999))
    scene = scene_of(fixed, wide())
    assert cheapest(the_head(scene)) == ()
    assert waiting(the_head(scene), scene) == Tasks([0])


def test_a_part_of_an_array_that_goes_whole_is_not_taken_back() -> None:
    bare = a_leak(2, a_group(2, tasks=2, vcpu=2.0, tags={"headgate:shim": "off"}))
    scene = scene_of(RUN, replace(bare, running=Tasks()), lane=replace(LANE, index_by_shim=True))
    assert waiting(the_head(scene), scene) == Tasks()
