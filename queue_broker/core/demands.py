"""The broker's groups and lanes in the packer's words. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import cast

from headgate.resources import Resources
from packer.catalogue import InstanceType, Purchase, Traits
from packer.demand import Demand
from queue_broker.records import Group, Lane


def given(group: Group) -> Resources:
    """What a task of the group gets; RUNNABLE groups have an estimate."""
    return group.estimate.allocation if group.estimate else Resources()


def to_demand(group: Group, tasks: int, key: str = "", rank: int = 0) -> Demand:
    asked = group.job.resources
    return Demand(
        key=key,
        shape=given(group),
        count=tasks,
        rank=rank,
        runtime_s=group.estimate.runtime_s.p50 if group.estimate else None,
        gpu_model=asked.gpu_model,
        gpu_memory_mib=asked.gpu_memory_mib,
        arch=asked.arch,
    )


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
    )
