from __future__ import annotations

from collections.abc import Sequence

from headgate.resources import Resources
from headgate.tenancy import Tenant
from queue_broker.core.amounts import Amount
from queue_broker.core.fairness import Order, Past, Standing, Turn, by_tier
from queue_broker.core.ledger import Held
from queue_broker.core.tenant_tree import Tree
from queue_broker.records import Group
from tests.unit.queue_broker.core.scenes import (
    NOW_S,
    a_group,
    a_lane,
    a_leak,
    decided,
    leaked,
)


def test_a_higher_tier_goes_first_whatever_its_age() -> None:
    sweep = a_group(1, tasks=4, tier="sweep", queued_at_s=0)
    production = a_group(2, tasks=4, tier="production", queued_at_s=9_999)
    assert leaked(decided([sweep, production])) == {2: 4}


def test_equal_tenants_share_equally() -> None:
    groups = [a_group(1, tasks=100, tenant="a"), a_group(2, tasks=100, tenant="b")]
    assert leaked(decided(groups, [a_lane(instances=4)])) == {1: 8, 2: 8}


def test_a_tenant_of_three_times_the_weight_gets_three_times_as_much() -> None:
    groups = [a_group(1, tasks=100, tenant="a"), a_group(2, tasks=100, tenant="b")]
    tenants = [Tenant(name="a", weight=3), Tenant(name="b")]
    assert leaked(decided(groups, [a_lane(instances=4)], tenants=tenants)) == {1: 12, 2: 4}


def test_a_turn_moves_a_share_by_a_hundredth_where_others_have_work_too() -> None:
    groups = [a_group(1, tasks=9_000, tenant="a"), a_group(2, tasks=9_000, tenant="b")]
    assert first_turn(groups, Amount(mcpu=1_000_000)).tasks == 10


def test_who_alone_has_work_has_it_all_in_one_turn() -> None:
    groups = [a_group(1, tasks=9_000, tenant="a"), a_group(2, tasks=9_000, tenant="a")]
    assert first_turn(groups, Amount(mcpu=1_000_000)).tasks == 9_000


def first_turn(groups: Sequence[Group], total: Amount) -> Turn:
    left = {group.group_id: len(group.waiting) for group in groups}
    standing = Standing(total, Tree(), held={}, past=Past(), left=left)
    turn = Order.of(standing, groups[0].tier, by_tier(groups)[groups[0].tier]).next()
    assert turn is not None
    return turn


def test_what_a_tenant_holds_already_counts() -> None:
    holding = a_leak(1, a_group(9, tasks=8, tenant="a"))
    groups = [a_group(1, tasks=100, tenant="a"), a_group(2, tasks=100, tenant="b")]
    assert leaked(decided(groups, [a_lane(instances=4)], [holding])) == {2: 8}


def test_the_dominant_resource_decides_as_in_the_paper_on_drf() -> None:
    """Ghodsi et al. 2011, section 4.1: of <9, 18>, A with <1, 4> runs 3, and B with <3, 1> 2."""
    groups = [
        a_group(1, tasks=100, tenant="a", vcpu=1, memory_mib=4),
        a_group(2, tasks=100, tenant="b", vcpu=3, memory_mib=1),
    ]
    assert leaked(decided(groups, [a_lane(vcpu=9, memory_mib=18)])) == {1: 3, 2: 2}


def test_money_is_a_resource_of_its_own() -> None:
    lanes = [
        a_lane("cheap", price_usd_hour=0.1, running=1),
        a_lane("dear", price_usd_hour=10.0, running=1, arch="arm64"),
    ]
    spender = a_leak(1, a_group(9, tasks=2, tenant="a"), lane="dear")
    saver = a_leak(2, a_group(8, tasks=2, tenant="b"), lane="cheap")
    groups = [
        a_group(1, tasks=9, tenant="a", arch="x86_64"),
        a_group(2, tasks=9, tenant="b", arch="x86_64"),
    ]
    assert leaked(decided(groups, lanes, [spender, saver])) == {2: 2}


def test_organisations_share_first_and_their_users_within_them() -> None:
    groups = [
        a_group(1, tasks=100, tenant="physics/ada"),
        a_group(2, tasks=100, tenant="biology/bob"),
        a_group(3, tasks=100, tenant="biology/eve"),
    ]
    assert leaked(decided(groups, [a_lane(instances=4)])) == {1: 8, 2: 4, 3: 4}


def test_an_idle_sibling_counts_for_its_organisation() -> None:
    holding = a_leak(1, a_group(9, tasks=6, tenant="biology/idle"))
    groups = [
        a_group(1, tasks=100, tenant="physics/ada"),
        a_group(2, tasks=100, tenant="biology/bob"),
    ]
    assert leaked(decided(groups, [a_lane(instances=4)], [holding])) == {1: 8, 2: 2}


def test_who_had_much_lately_goes_after_who_had_little() -> None:
    past = Past(half_life_s=600)
    past.pass_time({("sweep", "a"): Held(Amount(mcpu=4_000), 4)}, Amount(mcpu=4_000), 600)
    groups = [a_group(1, tasks=9, tenant="a"), a_group(2, tasks=9, tenant="b")]
    assert leaked(decided(groups, past=past)) == {1: 1, 2: 3}


def test_the_past_is_half_forgotten_after_a_half_life() -> None:
    past = Past(half_life_s=600, average={("sweep", "a"): 0.5})
    past.pass_time({}, Amount(mcpu=4_000), 600)
    assert past.average == {("sweep", "a"): 0.25}


def test_priority_decides_within_a_tenant() -> None:
    groups = [a_group(1, tasks=4), a_group(2, tasks=4, priority=5)]
    assert leaked(decided(groups)) == {2: 4}


def test_an_old_group_overtakes_a_slightly_higher_priority() -> None:
    groups = [
        a_group(1, tasks=4, priority=0, queued_at_s=0),
        a_group(2, tasks=4, priority=1, queued_at_s=7_300),
    ]
    assert leaked(decided(groups)) == {1: 4}


def test_a_deadline_that_draws_near_goes_before_priority() -> None:
    urgent = {"headgate:start-by": str(NOW_S + 60)}
    groups = [a_group(1, tasks=4, priority=99), a_group(2, tasks=4, tags=urgent)]
    assert leaked(decided(groups)) == {2: 4}


def test_a_deadline_that_is_far_away_changes_nothing() -> None:
    relaxed = {"headgate:start-by": str(NOW_S + 90_000)}
    groups = [a_group(1, tasks=4, priority=99), a_group(2, tasks=4, tags=relaxed)]
    assert leaked(decided(groups)) == {1: 4}


def test_shares_are_of_the_whole_fleet_whichever_lane_gives_them() -> None:
    lanes = [a_lane("one"), a_lane("two")]
    groups = [a_group(1, tasks=9, tenant="a"), a_group(2, tasks=9, tenant="b")]
    assert leaked(decided(groups, lanes)) == {1: 4, 2: 4}


def test_what_is_asked_of_resources_is_what_is_given() -> None:
    decision = decided([a_group(1, vcpu=2, memory_mib=2048)])
    assert decision.intents[0].allocation == Resources(2, 2048)
