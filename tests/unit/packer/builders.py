"""Short words for the tests of the packer."""

from __future__ import annotations

from typing import Any

from headgate.resources import Resources
from packer.catalogue import Bin, InstanceType
from packer.demand import Demand


def demand(key: str, vcpu: float, memory_mib: int, count: int = 1, **more: Any) -> Demand:
    return Demand(key, Resources(vcpu, memory_mib, more.pop("gpus", 0)), count, **more)


def kind(name: str, vcpu: float, memory_mib: int, price: float | None, **more: Any) -> InstanceType:
    capacity = Resources(vcpu, memory_mib, more.pop("gpus", 0))
    return InstanceType(name=name, capacity=capacity, price_usd_hour=price, **more)


def machine(key: str, vcpu: float, memory_mib: int, **more: Any) -> Bin:
    return Bin(key=key, free=Resources(vcpu, memory_mib, more.pop("gpus", 0)), **more)


#: A small market: general, lean and rich in memory, in two sizes each, and one with a GPU.
MARKET = (
    kind("m.large", 4, 15_000, 0.20),
    kind("m.huge", 32, 125_000, 1.60),
    kind("c.large", 4, 7_500, 0.16),
    kind("c.huge", 32, 62_000, 1.28),
    kind("r.large", 4, 31_000, 0.26),
    kind("r.huge", 32, 250_000, 2.08),
    kind("g.large", 4, 15_000, 0.60, gpus=1, gpu_model="T4", gpu_memory_mib=16_384),
)
