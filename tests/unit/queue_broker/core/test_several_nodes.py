"""Multi-node jobs on lanes where each node takes an instance of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from headgate.resources import ResourceRequest, Resources
from headgate.tenancy import DEFAULT_TIERS, Quota, Tenant
from queue_broker.core.ledger import Ledger
from queue_broker.core.offer import Offer
from queue_broker.core.preempt import choose
from queue_broker.core.runs import Runs
from queue_broker.core.victims import Scene
from queue_broker.core.yard import Yard
from queue_broker.records import Group, Lane, Leak, Tasks
from tests.unit.queue_broker.core.scenes import (
    NOW_S,
    a_group,
    a_lane,
    a_leak,
    by_lane,
    decided,
    estimate_of,
    leaked,
)


def of_nodes(number: int, count: int, *, vcpu: int = 2, types: Any = (), **fields: Any) -> Group:
    """A job of `count` nodes that ask for 4 GiB each."""
    asked = [{"type": "VCPU", "value": str(vcpu)}, {"type": "MEMORY", "value": "4096"}]
    container = {"image": "mpi", "command": ["train"], "resourceRequirements": asked}
    kind = {"instanceType": types[0]} if types else {}
    a_range = {"targetNodes": ":", "container": container | kind}
    nodes = {"numNodes": count, "mainNode": 0, "nodeRangeProperties": [a_range]}
    group = a_group(number, **fields)
    total = ResourceRequest(vcpu=vcpu * count, memory_mib=4096 * count)
    job = group.job.model_copy(update={"batch": {"nodeProperties": nodes}, "resources": total})
    return replace(group, job=job, estimate=estimate_of(vcpu * count, 4096 * count, 0, 60.0))


def on_aws(name: str = "lane", instances: int = 4, **fields: Any) -> Lane:
    plain: dict[str, Any] = {"price_usd_hour": 0.2, "purchase": "ON_DEMAND", "apart": True}
    return a_lane(name, instances=instances, **(plain | fields))


def test_a_job_goes_to_the_cheapest_lane_that_may_have_an_instance_for_each_node() -> None:
    lanes = [
        on_aws("dear", price_usd_hour=0.9),
        on_aws("few", instances=2, price_usd_hour=0.1),
        on_aws("small", vcpu=1, price_usd_hour=0.1),
        on_aws("spot", purchase="SPOT", price_usd_hour=0.1),
        on_aws("right"),
    ]
    assert by_lane(decided([of_nodes(1, 3)], lanes)) == {"right": 1}


@pytest.mark.parametrize("kind", ["p4d.24xlarge", "p4d", "optimal"])
def test_its_own_instance_type_is_kept_to(kind: str) -> None:
    lanes = [on_aws("m", instance_types=("m6i.xlarge",)), on_aws("p", instance_types=(P4D,))]
    assert by_lane(decided([of_nodes(1, 2, types=[kind])], lanes)) == {
        "m" if kind == "optimal" else "p": 1
    }


P4D = "p4d.24xlarge"


def test_what_no_lane_can_ever_have_says_what_it_needs() -> None:
    spot = on_aws(purchase="SPOT")
    (why,) = decided([of_nodes(1, 3, types=[P4D])], [spot]).holds.values()
    assert why == (
        "fits no lane: its 3 nodes need one lane, on demand, of 3 instances or more with "
        "2 vCPU, 4,096 MiB, of type p4d.24xlarge"
    )


def test_its_instances_are_nobody_else_s() -> None:
    small = a_group(2, tasks=99)
    going = decided([of_nodes(1, 3, tier="production"), small], [on_aws(vcpu=4)])
    assert leaked(going) == {1: 1, 2: 4}

    running = a_leak(1, of_nodes(1, 3))
    assert leaked(decided([small], [on_aws(vcpu=4, running=4)], [running])) == {2: 4}


def test_two_jobs_need_the_instances_of_two() -> None:
    groups = [of_nodes(number, 2) for number in (1, 2, 3)]
    assert leaked(decided(groups, [on_aws(instances=4)])) == {1: 1, 2: 1}


def test_scraps_of_instances_are_no_room_and_nobody_may_take_what_comes_free() -> None:
    """Four of four run, each with a task on it: half of each is free, two in sum."""
    small = a_group(9, tasks=4, vcpu=2)
    running = a_leak(1, small)
    runs = Runs(instances={running.name: {task: f"i-{task}" for task in range(4)}})
    lanes = [on_aws(running=4)]
    head, other = of_nodes(1, 2), a_group(2, runtime_s=9_999)
    decision = decided([head, other], lanes, [running], runs=runs)
    assert leaked(decision) == {}
    assert decision.holds == {
        head.group_id: "no room: no lane has as many whole instances idle as it has nodes",
        other.group_id: "held back: room is kept for the head of the queue",
    }
    assert leaked(decided([head], lanes, [running])) == {1: 1}, (
        "where it is not known who runs where"
    )


def test_a_quota_counts_whole_instances() -> None:
    acme = Tenant(name="acme", quota=Quota(vcpu=11))
    groups = [of_nodes(1, 3)]
    assert leaked(decided(groups, [on_aws(vcpu=4)], tenants=[acme])) == {}
    richer = acme.model_copy(update={"quota": Quota(vcpu=12)})
    assert leaked(decided(groups, [on_aws(vcpu=4)], tenants=[richer])) == {1: 1}


def test_production_of_several_nodes_has_others_stopped_for_it() -> None:
    lanes = [on_aws(instances=2, vcpu=4)]
    sweep = a_leak(1, a_group(9, tasks=8, runtime_s=9_999))
    scene = Scene(Yard.of(lanes), Ledger.of([sweep], lanes), Runs(), DEFAULT_TIERS, NOW_S + 100)
    urgent = of_nodes(1, 2, tier="production", queued_at_s=NOW_S)
    assert choose([urgent], 30.0, scene) == {"leak-1": Tasks(range(8))}


def test_nodes_get_what_they_asked_for_whatever_was_foretold() -> None:
    job, foretold = of_nodes(1, 2).job, estimate_of(0.5, 100, 0, 60.0)
    apart = Offer.of([on_aws()]).fit(foretold, job)
    assert apart.allocation == Resources(4, 8192)
    together = Offer.of([a_lane()]).fit(foretold, job)
    assert together.allocation.memory_mib == 100, "where they share one, all of them are measured"


def test_on_one_machine_all_nodes_find_room_together() -> None:
    assert leaked(decided([of_nodes(1, 2)], [a_lane(vcpu=4)])) == {1: 1}
    assert leaked(decided([of_nodes(1, 3)], [a_lane(vcpu=4)])) == {}


def test_a_leak_holds_whole_instances_of_its_own_lane() -> None:
    leak: Leak = a_leak(1, of_nodes(1, 2))
    ledger = Ledger.of([leak], [on_aws(vcpu=16, memory_mib=65_536)])
    held = ledger.lanes["lane"].amount
    assert (held.mcpu, held.mib, held.nusd) == (32_000, 131_072, 400_000_000)
