"""Fleets to replay on: as many lanes of one instance type as a trace needs, or as one is told."""

from __future__ import annotations

import math
from collections.abc import Sequence

from headgate.errors import InvalidInput
from headgate.resources import Resources
from headgate.tenancy import Tier
from queue_broker.adapters.engines.simulated.model import FleetModel
from queue_broker.records import Lane
from queue_broker.simulation.trace import Trace

#: An m5.xlarge at the on-demand price of us-east-1, and what a g5.xlarge there costs on top of it:
#: the price of its GPU.
SHAPE = Resources(4, 16_384)
PRICE_USD_HOUR = 0.192
GPU_USD_HOUR = 0.814
#: The part of a fleet that its trace alone keeps busy, where nobody says how large it is.
LOAD = 0.8


def fleet_for(trace: Trace, lanes: int, vcpus: float | None) -> FleetModel:
    """A fixed fleet of so many lanes, of fewer where that many instances are not needed; without
    `vcpus` the trace keeps four fifths of it busy, of whichever resource it needs most.
    """
    one = shape_for(trace)
    wanted = vcpus / one.vcpu if vcpus else instances_for(trace, one)
    lanes = min(lanes, max(1, math.ceil(wanted)))
    return FleetModel(running_lanes(lanes, one, max(1, math.ceil(wanted / lanes)), price_of(one)))


def instances_for(trace: Trace, one: Resources) -> float:
    """How many instances the trace keeps four fifths busy from its first submission to its last."""
    span_s = max(float(trace.submit_s[-1] - trace.submit_s[0]), 3600.0)
    return float((trace.shares(one) @ trace.runtime_s).max()) / span_s / LOAD


def price_of(shape: Resources) -> float:
    """In USD an hour, in proportion to vCPUs or memory, whichever is more; and for each GPU."""
    without = Resources(shape.vcpu, shape.memory_mib)
    return PRICE_USD_HOUR * without.dominant_share(SHAPE) + GPU_USD_HOUR * shape.gpus


def running_lanes(
    count: int, shape: Resources, instances: int, price_usd_hour: float
) -> list[Lane]:
    """So many lanes alike, all of whose instances run all the time."""
    return [
        Lane(
            name=f"lane-{number:03d}",
            shape=shape,
            instances=instances,
            price_usd_hour=price_usd_hour,
            purchase="ON_DEMAND",
            running=instances,
            queues=True,
        )
        for number in range(count)
    ]


def shape_for(trace: Trace) -> Resources:
    """An m5.xlarge doubled until the largest task of the trace fits."""
    most = Resources(float(trace.vcpu.max()), int(trace.memory_mib.max()), int(trace.gpus.max()))
    shape = SHAPE
    while not Resources(most.vcpu, most.memory_mib).fits(shape):
        shape = shape * 2
    return Resources(shape.vcpu, shape.memory_mib, most.gpus)


def check_tiers(trace: Trace, tiers: Sequence[Tier]) -> None:
    """Refuse a trace that names tiers nobody has set."""
    known = {tier.name for tier in tiers}
    for row, tier in enumerate(trace.tier):
        if tier not in known:
            raise InvalidInput.of(f"tier[{row}]", tier, f"one of {', '.join(sorted(known))}")
