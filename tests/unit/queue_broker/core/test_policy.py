"""What the policy remembers from pass to pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headgate.lifecycle import Cause
from headgate.tenancy import DEFAULT_TIERS
from queue_broker.core.ledger import ENOUGH_MEASURED
from queue_broker.core.policy import Policy, World
from queue_broker.events import Ended, Reported
from queue_broker.records import Changes, Group, Tasks
from tests.unit.queue_broker.core.scenes import NOW_S, a_group, a_lane, a_leak


@pytest.mark.parametrize(
    ("cause", "runtime_s"),
    [(Cause.EXITED, 20.0), (Cause.INTERRUPTED, 3_600.0), (Cause.OUT_OF_MEMORY, 3_600.0)],
)
def test_only_tasks_that_ended_by_themselves_tell_how_long_their_kin_take(
    cause: Cause, runtime_s: float
) -> None:
    leak = a_leak(1, a_group(9, tasks=20, runtime_s=3_600))
    ends = [
        Ended(leak.name, task, NOW_S + 20.0, cause, started_at_s=NOW_S)
        for task in range(ENOUGH_MEASURED)
    ]
    policy = Policy()

    policy.learn(Reported([], ends), {leak.name: leak}, World(DEFAULT_TIERS, (), NOW_S + 20.0))

    assert policy.ledger.runtime_s(leak.group_id, leak.estimate) == runtime_s


def test_single_jobs_are_no_measure_of_one_another() -> None:
    leak = a_leak(1, a_group(9, tasks=1, runtime_s=3_600))
    end = Ended(leak.name, 0, NOW_S + 20.0, Cause.EXITED, started_at_s=NOW_S)
    policy = Policy()

    policy.learn(
        Reported([], [end] * ENOUGH_MEASURED), {leak.name: leak}, World(DEFAULT_TIERS, (), NOW_S)
    )

    assert policy.ledger.runtime_s(leak.group_id, leak.estimate) == 3_600


LANE = a_lane(instances=2, queues=True, running=2)


def stuck_policy(tier: str) -> tuple[Policy, World]:
    """Two instances with room for one task each, and a task of two at the head of the queue."""
    runs = a_leak(1, a_group(1, tasks=6, tier="interactive", runtime_s=9_999))
    head = replace(a_leak(2, a_group(2, tier=tier, vcpu=2.0)), running=Tasks())
    policy, world = Policy(headroom=None), World(DEFAULT_TIERS, (), NOW_S + 60.0)
    policy.runs.instances[runs.name] = {task: f"i-{task // 3}" for task in range(6)}
    policy.decide([], Changes([runs, head], []), [LANE], world)
    return policy, world


def decided(policy: Policy, world: World, *groups: Group) -> tuple[list[int], dict[str, list[int]]]:
    """Who goes, and who is stopped."""
    decision = policy.decide(groups, Changes([], []), [LANE], world)
    victims = policy.victims(decision, world)
    went = [int(intent.group_id) for intent in decision.intents]
    return went, {leak: list(tasks) for leak, tasks in victims.items()}


def test_a_stuck_head_is_taken_back_as_soon_as_the_first_tier_needs_its_lane() -> None:
    policy, world = stuck_policy("interactive")
    assert decided(policy, world, a_group(3)) == ([], {})
    assert decided(policy, world, a_group(4, tier="production")) == ([], {"leak-2": [0]})


def test_a_head_of_the_first_tier_that_nobody_makes_room_for_is_taken_back_at_once() -> None:
    policy, world = stuck_policy("production")
    assert decided(policy, world) == ([], {"leak-2": [0]})


def test_what_was_taken_back_does_not_go_there_again_and_others_do() -> None:
    policy, world = stuck_policy("production")
    decided(policy, world)
    policy.decide([], Changes([], ["leak-2"]), [LANE], world)
    wide = a_group(5, tier="production", vcpu=2.0)
    assert decided(policy, world, wide, a_group(6, tier="production")) == ([6], {})


def test_nobody_is_stopped_in_a_lane_that_is_closed_just_now() -> None:
    policy, world = Policy(headroom=None), World(DEFAULT_TIERS, (), NOW_S + 60.0)
    sweep, lane = a_leak(1, a_group(1, tasks=4, runtime_s=9_999)), a_lane()
    policy.decide([], Changes([sweep], []), [lane], world)
    urgent = a_group(2, tier="production", queued_at_s=NOW_S)
    for closed, gone in (("no capacity", []), (None, ["leak-1"])):
        decision = policy.decide([urgent], Changes([], []), [replace(lane, closed=closed)], world)
        assert list(policy.victims(decision, world)) == gone
