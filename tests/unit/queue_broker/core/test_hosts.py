from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from headgate.tenancy import DEFAULT_TIERS
from queue_broker.core import hosts
from queue_broker.core.hosts import FEW
from queue_broker.core.runs import Runs
from queue_broker.records import Group, Lane, Leak
from tests.unit.queue_broker.core.scenes import NOW_S, a_group, a_lane, a_leak, by_lane, decided

HOUR_S = 3600.0
LARGE = a_lane("large", vcpu=16, memory_mib=65_536, price_usd_hour=0.8, instances=9, running=1)
SMALL = a_lane("small", price_usd_hour=0.2, instances=9, running=0)
LONG = a_group(1, runtime_s=5 * HOUR_S)


def test_what_would_outlast_all_others_on_a_large_instance_goes_to_a_small_one() -> None:
    assert goes(LONG, [in_large(60.0)]) == {"small": 1}


def test_what_ends_before_the_others_goes_beside_them() -> None:
    assert goes(a_group(1, runtime_s=60.0), [in_large(5 * HOUR_S)]) == {"large": 1}


def test_an_instance_that_is_empty_is_paid_for_from_the_task_on() -> None:
    assert goes(LONG, []) == {"small": 1}
    assert goes(LONG, [], [replace(LARGE, price_usd_hour=0.2), SMALL]) == {"large": 1}


def test_what_is_short_is_worth_no_start() -> None:
    assert goes(a_group(1, runtime_s=30.0), []) == {"large": 1}


def test_a_task_that_ran_far_beyond_what_was_foretold_is_not_about_to_end() -> None:
    """Of such as scatter widely."""
    old = replace(in_large(600.0, p95=60_000.0), created_at_s=NOW_S - 50_000.0)
    young = replace(old, created_at_s=NOW_S)
    task = a_group(1, runtime_s=2000.0)
    assert (goes(task, [old]), goes(task, [young])) == ({"large": 1}, {"small": 1})


def test_the_first_tier_does_not_wait_for_a_start() -> None:
    assert goes(replace(LONG, tier="production"), [in_large(60.0)]) == {"large": 1}


def test_the_first_tier_goes_to_what_has_started_before_what_is_yet_to() -> None:
    """As long as nobody says that something runs on the large one it may be starting still."""
    lanes, leaks = [LARGE, replace(SMALL, running=1)], [in_large(5 * HOUR_S)]
    task = a_group(1, tier="production", runtime_s=60.0)
    assert goes(task, leaks, lanes) == {"small": 1}
    assert goes(task, leaks, lanes, runs=Runs(instances={"leak-2": {0: "a"}})) == {"large": 1}


def test_scraps_of_several_instances_are_no_room_and_those_of_one_are() -> None:
    """Of two instances one is full and one is free; on the average neither has room for 12."""
    lanes = [replace(LARGE, running=2), SMALL]
    task = a_group(1, tier="production", runtime_s=60.0, vcpu=12)
    on = {"leak-2": {0: "a"}, "leak-3": {0: "b"}}
    leaks = [in_large(HOUR_S, vcpu=16), in_large(HOUR_S, 3, vcpu=4)]
    assert goes(task, leaks, lanes, runs=Runs(instances=on)) == {"large": 1}
    dear = replace(LARGE, name="dear", price_usd_hour=0.9, running=1)
    leaks = [in_large(HOUR_S, vcpu=8), in_large(HOUR_S, 3, vcpu=8)]
    assert goes(task, leaks, [*lanes, dear], runs=Runs(instances=on)) == {"dear": 1}


def test_a_tier_that_is_promised_less_than_a_start_does_not_wait_for_one() -> None:
    tiers = [tier.model_copy(update={"promise_s": 60}) for tier in DEFAULT_TIERS]
    assert goes(LONG, [in_large(60.0)], tiers=tiers) == {"large": 1}


def test_where_nothing_more_can_be_started_room_is_taken_where_it_is() -> None:
    lanes = [replace(LARGE, instances=1), replace(SMALL, instances=0)]
    assert goes(LONG, [in_large(60.0)], lanes) == {"large": 1}


def test_the_fullest_instance_with_room_is_the_one_that_gets_it() -> None:
    """Two instances: what is fuller runs for long, or the other does."""
    lanes = [replace(LARGE, running=2), SMALL]
    short, long_ = in_large(60.0, vcpu=12), in_large(9 * HOUR_S, 3, vcpu=4)
    on = {"leak-2": {0: "a"}, "leak-3": {0: "b"}}
    assert goes(LONG, [short, long_], lanes, runs=Runs(instances=on)) == {"small": 1}
    short, long_ = in_large(60.0, vcpu=4), in_large(9 * HOUR_S, 3, vcpu=12)
    assert goes(LONG, [short, long_], lanes, runs=Runs(instances=on)) == {"large": 1}


def test_where_nobody_says_what_runs_where_it_is_taken_as_placed_one_after_the_other() -> None:
    """The one that runs for long has filled its instance, so that room is beside the other."""
    full, short = in_large(9 * HOUR_S, vcpu=16), in_large(60.0, 3)
    assert goes(LONG, [full, short], [replace(LARGE, running=2), SMALL]) == {"small": 1}


def test_tasks_of_one_turn_share_what_the_first_of_them_starts() -> None:
    assert goes(replace(a_group(1, 4, runtime_s=5 * HOUR_S)), []) == {"small": 4}
    lanes = [replace(LARGE, running=0), replace(SMALL, instances=1)]
    assert goes(replace(a_group(1, 6, runtime_s=5 * HOUR_S)), [], lanes) == {"small": 4, "large": 2}


def test_many_at_once_fill_what_runs() -> None:
    tasks = a_group(1, FEW + 1, runtime_s=5 * HOUR_S)
    assert goes(tasks, [in_large(60.0)]) == {"large": FEW + 1}


@pytest.mark.parametrize("bound", ["MOST_TASKS", "MOST_RUNNING"])
def test_so_do_few_where_a_look_would_take_too_long(
    bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, bound, 0)
    assert goes(LONG, [in_large(60.0)]) == {"large": 1}


def test_what_production_takes_in_the_same_decision_is_seen() -> None:
    """It keeps the large instance for hours anyway."""
    groups = [a_group(2, tier="production", runtime_s=9 * HOUR_S), LONG]
    assert by_lane(decided(groups, [LARGE, SMALL], [in_large(60.0)])) == {"large": 2}


def goes(
    group: Group, leaks: Sequence[Leak], lanes: Sequence[Lane] = (LARGE, SMALL), **fields: Any
) -> dict[str, int]:
    return by_lane(decided([group], lanes, leaks, **fields))


def in_large(runtime_s: float, number: int = 2, p95: float | None = None, vcpu: float = 1) -> Leak:
    leak = a_leak(number, a_group(number, runtime_s=runtime_s, vcpu=vcpu), "large")
    if p95 is None:
        return leak
    assert leak.estimate is not None
    runtime = replace(leak.estimate.runtime_s, p95=p95)
    return replace(leak, estimate=replace(leak.estimate, runtime_s=runtime))
