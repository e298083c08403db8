"""Licences and the like: what jobs hold beside their instance bounds how many of them go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from headgate.errors import InvalidInput
from queue_broker.core.consumables import Stock, check_needs, needed, needs_of
from queue_broker.core.ledger import Ledger
from queue_broker.records import Changes, Group, Tasks
from tests.unit.queue_broker.core.scenes import a_group, a_lane, a_leak, decided, leaked
from tests.unit.queue_broker.core.test_several_nodes import of_nodes

WIDE = [a_lane(instances=100)]


def of(**quantities: int) -> dict[str, Any]:
    listed = [{"consumableResource": name, "quantity": n} for name, n in quantities.items()]
    return {"consumableResourceList": listed}


def licensed(number: int, tasks: int = 1, *, needs: dict[str, Any] | None = None) -> Group:
    group = a_group(number, tasks)
    batch = {"consumableResourceProperties": needs or of(licence=1)}
    return replace(group, job=group.job.model_copy(update={"batch": batch}))


def test_no_more_go_than_there_are_licences_for_and_the_others_wait_in_nobody_s_way() -> None:
    groups = [licensed(1, tasks=9), a_group(2, tasks=9)]
    decision = decided(groups, WIDE, stocks={"licence": Stock(4)})
    assert leaked(decision) == {1: 4, 2: 9}
    assert decision.holds == {1: "consumable resource licence: all 4 are in use"}


def test_what_runs_holds_its_licences() -> None:
    running = a_leak(1, licensed(9, tasks=3))
    assert leaked(
        decided([licensed(1, tasks=9)], WIDE, [running], stocks={"licence": Stock(4)})
    ) == {1: 1}


def test_jobs_share_what_there_is_and_the_scarcest_of_several_bounds_them() -> None:
    both = licensed(2, 9, needs=of(licence=2, calls=1))
    stocks = {"licence": Stock(7), "calls": Stock(2)}
    assert leaked(decided([both], WIDE, stocks=stocks)) == {2: 2}
    assert leaked(decided([both, licensed(1, tasks=3)], WIDE, stocks=stocks)) == {1: 3, 2: 2}


def test_of_what_is_used_up_for_good_what_has_started_is_not_counted_twice() -> None:
    leak = a_leak(1, licensed(9, tasks=3))
    starting = replace(leak, running=Tasks([0]))
    stocks = {"licence": Stock(4, returns=False)}
    assert leaked(decided([licensed(1, tasks=9)], WIDE, [leak], stocks=stocks)) == {1: 4}
    assert leaked(decided([licensed(1, tasks=9)], WIDE, [starting], stocks=stocks)) == {1: 2}


def test_what_nobody_counts_bounds_nothing_and_what_is_none_says_so() -> None:
    assert leaked(decided([licensed(1, tasks=9)], WIDE)) == {1: 9}
    none = decided([licensed(1)], WIDE, stocks={"licence": Stock(0)})
    assert none.holds == {1: "consumable resource licence: there is none"}


def test_a_job_holds_what_all_of_its_nodes_do() -> None:
    group = of_nodes(1, 3)
    properties = group.job.batch["nodeProperties"]
    a_range = properties["nodeRangeProperties"][0] | {"consumableResourceProperties": of(mpi=2)}
    batch = {"nodeProperties": properties | {"nodeRangeProperties": [a_range]}}
    job = group.job.model_copy(update={"batch": batch})
    assert needs_of(replace(group, job=job)) == {"mpi": 6}


def test_an_arn_names_the_same() -> None:
    arn = "arn:aws:batch:eu-central-1:123456789012:consumable-resource/licence"
    assert needed([licensed(1, needs=of(**{arn: 2})), a_group(2)]) == {"licence"}


def test_the_ledger_gives_back_what_ends() -> None:
    leak = a_leak(1, licensed(9, tasks=3))
    ledger = Ledger.of([leak], WIDE)
    ledger.renew(Changes([replace(leak, open=Tasks([1]), running=Tasks())], []), WIDE)
    assert (ledger.consumed["licence"], ledger.consuming["licence"]) == (1, 0)
    ledger.renew(Changes([], [leak.name]), WIDE)
    assert ledger.consumed["licence"] == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (of(licence=-1), "batch.quantity: got -1; allowed: 0 or more"),
        ([1], r"consumableResourceProperties: got \[1\]; allowed: a list of"),
        ({"consumableResourceList": [{"quantity": 1}]}, "allowed: a list of consumableResource"),
        ({"consumableResourceList": [{"consumableResource": "a", "quantity": "b"}]}, "got|invalid"),
    ],
)
def test_what_makes_no_sense_is_refused_and_past_the_checks_asks_for_nothing(
    given: Any, words: str
) -> None:
    group = licensed(1, tasks=9, needs=given)
    with pytest.raises(InvalidInput, match=words):
        check_needs(group.job)
    assert leaked(decided([group], WIDE, stocks={"licence": Stock(1)})) == {1: 9}
