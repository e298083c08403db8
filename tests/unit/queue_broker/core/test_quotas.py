from __future__ import annotations

import pytest

from headgate.errors import InvalidInput
from headgate.tenancy import Quota, Tenant
from queue_broker.core.quotas import Starts
from queue_broker.core.tenant_tree import Tree
from tests.unit.queue_broker.core.scenes import (
    NOW_S,
    a_group,
    a_lane,
    a_leak,
    decided,
    leaked,
)

WIDE = [a_lane(instances=10)]


def test_a_quota_without_borrowing_is_never_passed() -> None:
    tenants = [Tenant(name="acme", quota=Quota(vcpu=3), borrow=False)]
    decision = decided([a_group(1, tasks=9)], WIDE, tenants=tenants)
    assert leaked(decision) == {1: 3}
    assert decision.holds == {1: "quota: acme holds all that it may"}


def test_what_is_held_counts_against_the_quota() -> None:
    tenants = [Tenant(name="acme", quota=Quota(vcpu=3), borrow=False)]
    holding = [a_leak(1, a_group(9, tasks=2))]
    assert leaked(decided([a_group(1, tasks=9)], WIDE, holding, tenants)) == {1: 1}


def test_an_organisation_s_quota_bounds_all_below_it() -> None:
    tenants = [Tenant(name="org", quota=Quota(vcpu=5), borrow=False)]
    groups = [a_group(1, tasks=9, tenant="org/a"), a_group(2, tasks=9, tenant="org/b")]
    assert sum(leaked(decided(groups, WIDE, tenants=tenants)).values()) == 5


def test_a_tenant_borrows_what_its_siblings_leave_idle_and_no_more() -> None:
    tenants = [Tenant(name="a", quota=Quota(vcpu=4)), Tenant(name="b", quota=Quota(vcpu=4))]
    assert leaked(decided([a_group(1, tasks=99, tenant="a")], WIDE, tenants=tenants)) == {1: 8}


def test_who_takes_back_its_own_goes_before_who_borrows() -> None:
    tenants = [
        Tenant(name="a", weight=100, quota=Quota(vcpu=2)),
        Tenant(name="b", quota=Quota(vcpu=8)),
    ]
    holding = [a_leak(1, a_group(9, tasks=6, tenant="a"))]
    groups = [a_group(1, tasks=99, tenant="a"), a_group(2, tasks=99, tenant="b")]
    assert leaked(decided(groups, WIDE, holding, tenants)) == {2: 4}


def test_money_has_a_quota_too() -> None:
    tenants = [Tenant(name="acme", quota=Quota(usd_hour=1.0), borrow=False)]
    lane = a_lane(instances=10, price_usd_hour=2.0)
    assert leaked(decided([a_group(1, tasks=9)], [lane], tenants=tenants)) == {1: 2}


def test_running_tasks_are_capped_by_tenant() -> None:
    tenants = [Tenant(name="acme", max_running=3)]
    holding = [a_leak(1, a_group(9, tasks=2))]
    assert leaked(decided([a_group(1, tasks=9)], WIDE, holding, tenants)) == {1: 1}


def test_running_tasks_are_capped_by_sweep() -> None:
    groups = [a_group(1, tasks=9, tags={"headgate:max-running": "2"}), a_group(2, tasks=3)]
    assert leaked(decided(groups, WIDE)) == {1: 2, 2: 3}


def test_starts_a_minute_are_capped_and_free_again_after_it() -> None:
    tenants, starts = [Tenant(name="acme", max_starts_per_minute=4)], Starts()
    first = decided([a_group(1, tasks=9)], WIDE, tenants=tenants, starts=starts)
    second = decided([a_group(1, tasks=9)], WIDE, tenants=tenants, starts=starts, now_s=NOW_S + 59)
    third = decided([a_group(1, tasks=9)], WIDE, tenants=tenants, starts=starts, now_s=NOW_S + 61)
    assert [leaked(each) for each in (first, second, third)] == [{1: 4}, {}, {1: 4}]


def test_starts_a_minute_are_capped_by_sweep() -> None:
    tags = {"headgate:max-starts-per-minute": "2"}
    assert leaked(decided([a_group(1, tasks=9, tags=tags)], WIDE)) == {1: 2}


def test_a_group_at_its_cap_does_not_block_the_next_one() -> None:
    groups = [a_group(1, tasks=99, tags={"headgate:max-running": "1"}), a_group(2, tasks=3)]
    assert leaked(decided(groups)) == {1: 1, 2: 3}


def test_a_tenant_below_itself_is_refused_with_the_loop() -> None:
    tenants = [
        Tenant(name="a", parent="b"),
        Tenant(name="b", parent="c"),
        Tenant(name="c", parent="a"),
    ]
    with pytest.raises(InvalidInput, match=r"tenants\.parent: got .*a > c > b > a"):
        Tree.of(tenants)


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf")])
def test_a_weight_that_is_not_positive_is_refused(weight: float) -> None:
    with pytest.raises(InvalidInput, match="weight"):
        Tenant(name="a", weight=weight)


def test_names_with_slashes_stand_below_each_other_unless_a_parent_says_otherwise() -> None:
    tree = Tree.of([Tenant(name="x/y", parent="z")])
    assert tree.path("org/team/ada") == ("org", "org/team", "org/team/ada")
    assert tree.path("x/y") == ("z", "x/y")
