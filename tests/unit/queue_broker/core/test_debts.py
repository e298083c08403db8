from __future__ import annotations

from dataclasses import replace

from headgate.tenancy import DEFAULT_TIERS, Tenant, Tier
from queue_broker.core.debts import Debts, price_s
from queue_broker.core.yard import Yard
from tests.unit.queue_broker.core.scenes import a_group, a_lane, decided, leaked

PRODUCTION, INTERACTIVE, SWEEP = DEFAULT_TIERS


def owing(passed_s: float) -> Debts:
    """The sweep has had nothing for so long."""
    debts = Debts()
    debts.accrue(DEFAULT_TIERS, {"sweep": 0.0}, passed_s)
    return debts


def test_a_minimum_share_sends_one_task_before_a_higher_tier_once_its_debt_pays_for_it() -> None:
    groups = [a_group(1, tasks=9), a_group(2, tasks=9, tier="interactive")]
    assert leaked(decided(groups, debts=owing(400))) == {1: 1, 2: 3}


def test_a_debt_that_is_too_small_bends_nothing() -> None:
    groups = [a_group(1, tasks=9), a_group(2, tasks=9, tier="interactive")]
    assert leaked(decided(groups, debts=owing(60))) == {2: 4}


def test_a_debt_is_not_kept_by_who_may_have_no_more() -> None:
    bound = Tenant(name="aaa", max_running=0)
    head = replace(a_group(2, tasks=9, vcpu=1), tenant="aaa")
    groups = [a_group(1, tasks=9, tier="production"), head, a_group(3, tasks=9)]

    went = leaked(decided(groups, debts=owing(SWEEP.promise_s), tenants=[bound]))

    assert went.keys() == {1, 3}


def test_the_first_tier_waits_for_nobody_s_share_that_is_not_due() -> None:
    groups = [a_group(1, tasks=9), a_group(2, tasks=9, tier="production")]
    assert leaked(decided(groups, debts=owing(SWEEP.promise_s - 1))) == {2: 4}


def test_a_share_is_due_after_as_long_as_the_tier_s_own_promise() -> None:
    groups = [a_group(1, tasks=9), a_group(2, tasks=9, tier="production")]
    assert leaked(decided(groups, debts=owing(SWEEP.promise_s))) == {1: 1, 2: 3}


def test_what_the_first_tier_leaves_is_for_the_debt_before_others() -> None:
    groups = [
        a_group(1, tasks=9),
        a_group(2, tasks=9, tier="interactive"),
        a_group(3, tasks=2, tier="production"),
    ]
    assert leaked(decided(groups, debts=owing(400))) == {1: 1, 2: 1, 3: 2}


def test_a_share_stays_due_as_long_as_the_first_tier_has_no_room() -> None:
    debts = owing(SWEEP.promise_s)
    debts.accrue(DEFAULT_TIERS, {"sweep": 0.06}, 10, pressed=True)
    assert debts.due == {"sweep"}
    debts.accrue(DEFAULT_TIERS, {"sweep": 0.06}, 10, pressed=False)
    assert debts.due == set()


def test_a_famine_that_ends_in_time_is_forgiven() -> None:
    debts = owing(SWEEP.promise_s - 1)
    debts.accrue(DEFAULT_TIERS, {"sweep": 0.05}, 10)
    debts.accrue(DEFAULT_TIERS, {"sweep": 0.0}, 10)
    assert debts.due == set()


def test_a_tier_without_work_is_due_nothing() -> None:
    debts = owing(SWEEP.promise_s)
    debts.accrue(DEFAULT_TIERS, {}, 10)
    assert debts.due == set()


def test_paying_takes_the_price_off_the_debt() -> None:
    debts = Debts({"sweep": 15.0})
    decided([a_group(1, tasks=9), a_group(2, tasks=9, tier="interactive")], debts=debts)
    assert debts.owed_s["sweep"] == 0.0


def test_a_tier_on_more_than_its_share_is_owed_nothing() -> None:
    debts = Debts()
    debts.accrue(DEFAULT_TIERS, {"sweep": 0.06}, passed_s=100)
    assert debts.owed_s == {"sweep": 0.0}


def test_a_tier_without_work_forgets_its_debt() -> None:
    debts = Debts({"sweep": 2.0})
    debts.accrue(DEFAULT_TIERS, {}, passed_s=1)
    assert debts.owed_s == {}


def test_a_task_that_runs_for_days_is_saved_up_for_within_hours() -> None:
    """Its price is of capacity, so that a minimum share does reach the longest task."""
    fleet = Yard.of([a_lane()]).fleet
    long_ = a_group(1, vcpu=4)
    debts = Debts({"sweep": 600.0})
    assert price_s(long_, fleet, 172_800.0) == 600.0
    assert debts.affords(SWEEP, 600.0) == 1


def test_a_debt_does_not_grow_beyond_a_minute_of_the_share_and_the_next_task() -> None:
    debts = Debts({"sweep": 1e6})
    assert debts.affords(Tier(name="sweep", rank=2, min_share=0.05, promise_s=1), 0.1) == 31


def test_what_a_debt_paid_for_is_not_charged_again_while_it_runs() -> None:
    debts = Debts({"sweep": 2.0})
    debts.pay("sweep", 2.0)
    debts.accrue(DEFAULT_TIERS, {"sweep": 0.25}, passed_s=8)
    assert debts.owed_s["sweep"] == 0.05 * 8
    debts.accrue(DEFAULT_TIERS, {"sweep": 0.25}, passed_s=8)  # it runs on, at nobody's debt
    assert debts.owed_s["sweep"] == 0.05 * 8
