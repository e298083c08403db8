"""Builders for tests of the policy: groups, lanes, leaks and snapshots in a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headgate.estimate import Estimate, Quantiles, Source
from headgate.lifecycle import State
from headgate.resources import Resources
from headgate.tenancy import DEFAULT_TIERS, Tenant
from queue_broker.core.leak import Decision, Snapshot, decide
from queue_broker.core.tenant_tree import Tree
from queue_broker.records import Group, GroupId, JobId, Lane, Leak, LeakId, Table, Tasks
from tests.factories import a_job

NOW_S = 10_000.0


def estimate_of(vcpu: float, memory_mib: int, gpus: int, runtime_s: float) -> Estimate:
    return Estimate(
        allocation=Resources(vcpu, memory_mib, gpus),
        memory_mib=Quantiles(memory_mib, memory_mib),
        vcpu=Quantiles(vcpu, vcpu),
        runtime_s=Quantiles(runtime_s, runtime_s * 2),
        source=Source.REQUEST,
        family="train",
    )


def a_group(
    number: int,
    tasks: int = 1,
    *,
    tenant: str = "acme",
    tier: str = "sweep",
    vcpu: float = 1.0,
    memory_mib: int = 1024,
    gpus: int = 0,
    runtime_s: float = 60.0,
    priority: int = 0,
    queued_at_s: float = 0.0,
    tags: Mapping[str, str] | None = None,
    **asked: Any,
) -> Group:
    """`asked` goes into the resource request: arch, gpu_model, gpu_memory_mib."""
    return Group(
        group_id=GroupId(number),
        job_id=JobId(f"job-{number}"),
        job=a_job(tags=dict(tags or {}), resources=asked or {}),
        tenant=tenant,
        tier=tier,
        priority=priority,
        attempt=1,
        state=State.RUNNABLE,
        waiting=Tasks(range(tasks)),
        version=1,
        queued_at_s=queued_at_s,
        size=tasks,
        array=tasks > 1,
        parameters=Table.NONE,
        estimate=estimate_of(vcpu, memory_mib, gpus, runtime_s),
    )


def a_lane(name: str = "lane", vcpu: float = 4, memory_mib: int = 16_384, **fields: Any) -> Lane:
    gpus = fields.pop("gpus", 0)
    return Lane(name, Resources(vcpu, memory_mib, gpus), **fields)


def a_leak(number: int, group: Group, lane: str = "lane", tasks: int | None = None) -> Leak:
    """All of a group's tasks (or the first few) running in a lane since `NOW_S`."""
    assert group.estimate is not None
    indexes = Tasks(group.waiting[: len(group.waiting) if tasks is None else tasks])
    return Leak(
        leak_id=LeakId(number),
        name=f"leak-{number}",
        group_id=group.group_id,
        job_id=group.job_id,
        job=group.job,
        tenant=group.tenant,
        tier=group.tier,
        attempt=1,
        lane=lane,
        allocation=group.estimate.allocation,
        tasks=indexes,
        open=indexes,
        running=indexes,
        created_at_s=NOW_S,
        size=group.size,
        array=group.array,
        parameters=group.parameters,
        estimate=group.estimate,
        handed_over_at_s=NOW_S,
    )


def a_snapshot(
    groups: Sequence[Group],
    lanes: Sequence[Lane] | None = None,
    leaks: Sequence[Leak] = (),
    tenants: Sequence[Tenant] = (),
    **fields: Any,
) -> Snapshot:
    plain: dict[str, Any] = {"tiers": DEFAULT_TIERS, "now_s": NOW_S}
    return Snapshot(
        groups=groups,
        leaks=leaks,
        lanes=(a_lane(),) if lanes is None else lanes,
        tree=Tree.of(tenants),
        **(plain | fields),
    )


def decided(*args: Any, **fields: Any) -> Decision:
    return decide(a_snapshot(*args, **fields))


def leaked(decision: Decision) -> dict[int, int]:
    """Tasks leaked by group number."""
    counts: dict[int, int] = {}
    for intent in decision.intents:
        counts[intent.group_id] = counts.get(intent.group_id, 0) + len(intent.tasks)
    return counts


def by_lane(decision: Decision) -> dict[str, int]:
    counts: dict[str, int] = {}
    for intent in decision.intents:
        counts[intent.lane] = counts.get(intent.lane, 0) + len(intent.tasks)
    return counts
