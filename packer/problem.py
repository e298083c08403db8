"""The question as arrays, for those who compute: demands by hosts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from headgate.resources import Resources
from packer.catalogue import Bin, InstanceType, Traits
from packer.demand import Demand
from packer.spot import SpotMarket

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

H = TypeVar("H", Bin, InstanceType)

#: vCPUs are counted in thousandths, so that all arithmetic is exact.
MILLI = 1000
#: What "no limit" is in the arrays.
UNLIMITED = 2**40


@dataclass(frozen=True, slots=True)
class Problem:
    """K demands and H hosts; `need` and `room` hold milli-vCPU, MiB and GPUs.

    Hosts are the bins, then the instance types, each by key; a bin has price 0 and limit 1.
    `allowed[k, h]` says that the constraints other than size let k run on h, `fits[k, h]` that one
    task of k can run there when it is empty.
    """

    demands: tuple[Demand, ...]
    hosts: tuple[Bin | InstanceType, ...]
    need: Ints
    count: Ints
    cap: Ints
    room: Ints
    price: Floats
    limit: Ints
    quota: float
    allowed: Bools
    fits: Bools
    is_new: Bools

    def without(self, demands: list[int]) -> Problem:
        """The problem without some of its demands."""
        if not demands:
            return self
        return self.reordered(np.setdiff1d(np.arange(len(self.demands)), demands).tolist())

    def reordered(self, kept: list[int]) -> Problem:
        """These of the demands, in this order."""
        return replace(
            self,
            demands=tuple(self.demands[k] for k in kept),
            need=self.need[kept],
            count=self.count[kept],
            cap=self.cap[kept],
            allowed=self.allowed[kept],
            fits=self.fits[kept],
        )

    def after(self, host: Ints, instances: Ints, count: Ints) -> Problem:
        """What is left to do, `count`, once so many instances of the hosts are taken."""
        limit = self.limit.copy()
        np.subtract.at(limit, host, instances)
        limit[self.limit >= UNLIMITED] = UNLIMITED
        new = self.is_new[host]
        vcpu = float(self.room[host, 0][new] @ instances[new])
        return replace(self, count=count, limit=limit, quota=self.quota - vcpu)


def vectors(shapes: Sequence[Resources], up: bool) -> Ints:
    """Thousandths of a vCPU rounded against the caller's favour, so that what fits here fits."""
    milli = np.array([shape.vcpu for shape in shapes], dtype=np.float64) * MILLI
    answer = np.empty((len(shapes), 3), dtype=np.int64)
    answer[:, 0] = np.ceil(milli - 1e-6) if up else np.floor(milli + 1e-6)
    answer[:, 1] = [shape.memory_mib for shape in shapes]
    answer[:, 2] = [shape.gpus for shape in shapes]
    return answer


def compile_problem(
    demands: Sequence[Demand],
    bins: Sequence[Bin],
    catalogue: Sequence[InstanceType],
    quota: float | None,
) -> Problem:
    """Demands in the packing order: rank, then largest first, then key, which is a total order."""
    priced = [kind for kind in catalogue if kind.price_usd_hour is not None]
    hosts: tuple[Bin | InstanceType, ...] = (*by_key(bins), *by_key(priced))
    room = vectors([room_of(host) for host in hosts], up=False)
    need = vectors([demand.shape for demand in demands], up=True)
    order = packing_order(demands, need, room)
    ordered = tuple(demands[i] for i in order)
    may = allowed(ordered, hosts)
    tasks = sum(demand.count for demand in ordered)
    return Problem(
        demands=ordered,
        hosts=hosts,
        need=need[order],
        count=ints([demand.count for demand in ordered]),
        cap=ints([demand.max_per_instance or UNLIMITED for demand in ordered]),
        room=room,
        price=np.array([price_of(host) for host in hosts], dtype=np.float64),
        limit=ints([limit_of(host, tasks) for host in hosts]),
        quota=float("inf") if quota is None else quota * MILLI,
        allowed=may,
        fits=may & within(need[order], room),
        is_new=np.array([isinstance(host, InstanceType) for host in hosts], dtype=bool),
    )


def by_key(hosts: Sequence[H]) -> list[H]:
    """A total order, so that the order of the input changes nothing."""
    return sorted(hosts, key=lambda host: host.key)


def within(need: Ints, room: Ints) -> Bools:
    """Demands by hosts: whether one task has room on an empty host."""
    answer = np.ones((len(need), len(room)), dtype=bool)
    for part in range(3):
        answer &= need[:, part, None] <= room[None, :, part]
    return answer


def ints(values: list[int]) -> Ints:
    return np.array(values, dtype=np.int64)


def room_of(host: Bin | InstanceType) -> Resources:
    return host.capacity if isinstance(host, InstanceType) else host.free


def price_of(host: Bin | InstanceType) -> float:
    return host.price_usd_hour or 0.0 if isinstance(host, InstanceType) else 0.0


def limit_of(host: Bin | InstanceType, tasks: int) -> int:
    """The most instances; a limit that so many tasks cannot reach is none."""
    if isinstance(host, Bin):
        return 1
    return UNLIMITED if host.limit is None or host.limit >= tasks else host.limit


def packing_order(demands: Sequence[Demand], need: Ints, room: Ints) -> list[int]:
    """Size is the sum of the shares of the largest host, as first-fit-decreasing for vectors has it
    (Panigrahy, Talwar, Uyeda, Wieder: Heuristics for Vector Bin Packing, 2011)."""
    largest = room.max(axis=0, initial=1)
    size = (need / largest).sum(axis=1)
    return sorted(range(len(demands)), key=lambda i: (demands[i].rank, -size[i], demands[i].key))


def allowed(demands: Sequence[Demand], hosts: Sequence[Bin | InstanceType]) -> Bools:
    """Demands by hosts: whether the constraints other than size allow it. Equal constraints are
    looked at once."""
    answer = np.ones((len(demands), len(hosts)), dtype=bool)
    market, stays_s = SpotMarket(hosts), np.array([stay_s(host) for host in hosts])
    timed = market.exists or bool(np.isfinite(stays_s).any())
    known: dict[tuple[object, ...], Bools] = {}
    for k, demand in enumerate(demands):
        runtime_s = demand.runtime_s if timed else None
        asked = (demand.arch, demand.gpu_model, demand.gpu_memory_mib, demand.spot_ok, runtime_s)
        if asked == ANYTHING:
            continue
        if asked not in known:
            known[asked] = one_allowed(demand, hosts, market)
            known[asked] &= (demand.runtime_s or 0.0) <= stays_s
        answer[k] = known[asked]
    return answer


#: What a demand asks for that may run anywhere.
ANYTHING = (None, None, None, True, None)


def stay_s(host: Bin | InstanceType) -> float:
    """How long a host stays; what is started stays as long as it is needed."""
    known = host.ends_in_s if isinstance(host, Bin) else None
    return np.inf if known is None else known


def one_allowed(demand: Demand, hosts: Sequence[Traits], market: SpotMarket) -> Bools:
    answer = market.worth_it(demand.runtime_s) if demand.spot_ok else ~market.is_spot
    if demand.arch is not None:
        answer = answer & bools([host.arch == demand.arch for host in hosts])
    if demand.gpu_model is not None:
        answer = answer & bools([host.gpu_model == demand.gpu_model for host in hosts])
    if demand.gpu_memory_mib:
        answer = answer & bools([host.gpu_memory_mib >= demand.gpu_memory_mib for host in hosts])
    return answer


def bools(values: list[bool]) -> Bools:
    return np.array(values, dtype=bool)
