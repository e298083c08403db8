"""The broker's groups and lanes in the packer's words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import cast

from headgate.estimate import Estimate
from headgate.job import Job
from headgate.resources import ResourceRequest, Resources
from packer.catalogue import InstanceType, Purchase, Traits
from packer.catalogue_file import built_in, read_rows, to_types
from packer.demand import Demand
from packer.triage import suits
from queue_broker.records import Group, Lane


def given(group: Group) -> Resources:
    """What a task of the group gets; RUNNABLE groups have an estimate."""
    return group.estimate.allocation if group.estimate else Resources()


def to_demand(group: Group, tasks: int, lanes: Sequence[Lane], key: str = "") -> Demand:
    """What tasks of the group need, of which there may be some on the lanes."""
    return demand_of(group.job, group.estimate, lanes, tasks, key)


def demand_of(
    job: Job, estimate: Estimate | None, lanes: Sequence[Lane], tasks: int = 1, key: str = ""
) -> Demand:
    asked = job.resources
    return Demand(
        key=key,
        shape=estimate.allocation if estimate else Resources(),
        count=tasks,
        runtime_s=estimate.runtime_s.p50 if estimate else None,
        gpu_model=asked.gpu_model,
        gpu_memory_mib=gpu_mib(asked, estimate, lanes) if estimate else asked.gpu_memory_mib,
        arch=asked.arch,
    )


def gpu_mib(asked: ResourceRequest, estimate: Estimate, lanes: Iterable[Lane]) -> int | None:
    """What one GPU must have. A prediction beyond every GPU is tried on the largest one; who asked
    for more than there is waits, with that reason.
    """
    foretold, shape = estimate.least_gpu_mib, estimate.allocation
    if foretold is None:
        return asked.gpu_memory_mib
    holding = [lane.gpu_memory_mib or 0 for lane in lanes if shape.fits(lane.shape)]
    most = max(holding, default=foretold)
    return min(foretold, most) if (asked.gpu_memory_mib or 0) <= most else foretold


def smallest_gpu(demand: Demand, lanes: Sequence[Lane]) -> str | None:
    """The GPU with the least memory that holds a task, as in `T4 (16,384 MiB)`; by name among
    equals. Where none of the lanes do, it is of all that EC2 has. None where nobody knows the need.
    """
    if not demand.shape.gpus or not (demand.gpu_memory_mib or demand.gpu_model):
        return None
    kinds = [to_type(lane, 1) for lane in lanes]
    holding = [kind for kind in kinds if could_hold(demand, kind.capacity, kind)]
    found = holding or [kind for kind in ec2_types() if could_hold(demand, kind.capacity, kind)]
    least = min(((kind.gpu_memory_mib, kind.gpu_model or "") for kind in found), default=None)
    return f"{least[1]} ({least[0]:,} MiB)" if least else None


@cache
def ec2_types() -> tuple[InstanceType, ...]:
    return to_types(read_rows(built_in()))


def could_hold(demand: Demand, room: Resources, traits: Traits) -> bool:
    """Whether one task fits on an empty instance."""
    return demand.shape.fits(room) and suits(demand, traits)


@lru_cache(maxsize=1024)
def traits_of(lane: Lane) -> Traits:
    return Traits(
        arch=lane.arch,
        gpu_model=lane.gpu_model,
        gpu_memory_mib=lane.gpu_memory_mib or 0,
        purchase=purchase_of(lane),
    )


def purchase_of(lane: Lane) -> Purchase:
    """What is no market (this machine) is as safe as on demand."""
    return cast(Purchase, lane.purchase if lane.purchase == "SPOT" else "ON_DEMAND")


def to_type(lane: Lane, limit: int) -> InstanceType:
    """A lane as something that can be started, `limit` more of it."""
    return InstanceType(
        name=lane.name,
        capacity=lane.shape,
        price_usd_hour=lane.price_usd_hour,
        limit=limit,
        arch=lane.arch,
        gpu_model=lane.gpu_model,
        gpu_memory_mib=lane.gpu_memory_mib or 0,
        purchase=purchase_of(lane),
    )
