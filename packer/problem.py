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
from packer.spot import worth_spot

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


def vector(shape: Resources, up: bool) -> tuple[int, int, int]:
    """Thousandths of a vCPU rounded against the caller's favour, so that what fits here fits."""
    milli = shape.vcpu * MILLI
    whole = int(np.ceil(milli - 1e-6)) if up else int(np.floor(milli + 1e-6))
    return whole, shape.memory_mib, shape.gpus


def compile_problem(
    demands: Sequence[Demand],
    bins: Sequence[Bin],
    catalogue: Sequence[InstanceType],
    quota: float | None,
) -> Problem:
    """Demands in the packing order: rank, then largest first, then key, which is a total order."""
    priced = [kind for kind in catalogue if kind.price_usd_hour is not None]
    hosts: tuple[Bin | InstanceType, ...] = (*by_key(bins), *by_key(priced))
    room = matrix([vector(room_of(host), up=False) for host in hosts])
    need = matrix([vector(demand.shape, up=True) for demand in demands])
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
        fits=may & (need[order][:, None, :] <= room[None]).all(axis=2),
        is_new=np.array([isinstance(host, InstanceType) for host in hosts], dtype=bool),
    )


def by_key(hosts: Sequence[H]) -> list[H]:
    """A total order, so that the order of the input changes nothing."""
    return sorted(hosts, key=lambda host: host.key)


def matrix(rows: list[tuple[int, int, int]]) -> Ints:
    return np.array(rows, dtype=np.int64).reshape(len(rows), 3)


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


def allowed(demands: Sequence[Demand], hosts: Sequence[Traits]) -> Bools:
    arch = np.array([host.arch for host in hosts], dtype=object)
    model = np.array([host.gpu_model or "" for host in hosts], dtype=object)
    memory = np.array([host.gpu_memory_mib for host in hosts], dtype=np.int64)
    on_demand = np.array([host.purchase == "ON_DEMAND" for host in hosts], dtype=bool)
    answer = np.ones((len(demands), len(hosts)), dtype=bool)
    for k, demand in enumerate(demands):
        if demand.arch is not None:
            answer[k] &= arch == demand.arch
        if demand.gpu_model is not None:
            answer[k] &= model == demand.gpu_model
        if demand.gpu_memory_mib:
            answer[k] &= memory >= demand.gpu_memory_mib
        if not demand.spot_ok:
            answer[k] &= on_demand
        elif demand.runtime_s and not on_demand.all():
            answer[k] &= worth_it(demand, hosts)
    return answer


def worth_it(demand: Demand, hosts: Sequence[Traits]) -> Bools:
    """Where the task is expected to cost no more than on demand: a long one may be interrupted too
    often. Bins are paid for, and so is a type that has no on-demand price beside it."""
    on_demand = {
        host.name: host.price_usd_hour
        for host in hosts
        if isinstance(host, InstanceType) and host.purchase == "ON_DEMAND"
    }
    return np.array(
        [
            not isinstance(host, InstanceType)
            or host.purchase == "ON_DEMAND"
            or worth_spot(demand.runtime_s, host, on_demand.get(host.name))
            for host in hosts
        ],
        dtype=bool,
    )
