"""Which demands can have a place at all, and the typed reason for each that cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from headgate.resources import Resources
from packer.catalogue import Bin, InstanceType, Traits
from packer.demand import Demand
from packer.plan import Reason, Unplaced
from packer.problem import Problem

#: Sums of sizes are reckoned in 64 bits: so much of anything for so many tasks is safe.
LARGEST, MOST_TASKS = 2**32, 10**9


@dataclass(frozen=True, slots=True)
class Host:
    """A bin or an instance type when empty, as far as fitting goes."""

    key: str
    room: Resources
    traits: Traits
    is_new: bool
    price: float | None


def hosts_of(bins: Iterable[Bin], catalogue: Iterable[InstanceType]) -> list[Host]:
    there = [Host(bin_.key, bin_.capacity or bin_.free, bin_, False, 0.0) for bin_ in bins]
    new = [Host(kind.key, kind.capacity, kind, True, kind.price_usd_hour) for kind in catalogue]
    return there + new


def suits(demand: Demand, traits: Traits) -> bool:
    """Whether the constraints other than size allow it."""
    return (
        (demand.arch is None or demand.arch == traits.arch)
        and (demand.gpu_model is None or demand.gpu_model == traits.gpu_model)
        and (demand.gpu_memory_mib or 0) <= traits.gpu_memory_mib
        and (demand.spot_ok or traits.purchase == "ON_DEMAND")
    )


def nonsense(demand: Demand) -> Unplaced | None:
    """What is wrong with the demand itself."""
    shape = demand.shape
    sizes = (shape.vcpu, shape.memory_mib, shape.gpus)
    if not all(0 <= size < float("inf") for size in sizes) or not any(sizes):
        got = f"got {shape}; allowed: no negative part, and not all zero"
        return Unplaced(demand.key, demand.count, Reason.INVALID, f"shape: {got}")
    if max(sizes) > LARGEST:
        got = f"got {shape}; allowed: at most {LARGEST:,} of each"
        return Unplaced(demand.key, demand.count, Reason.INVALID, f"shape: {got}")
    if not 1 <= demand.count <= MOST_TASKS:
        detail = f"count: got {demand.count}; allowed: 1 to {MOST_TASKS:,}"
        return Unplaced(demand.key, demand.count, Reason.INVALID, detail)
    if demand.max_per_instance is not None and demand.max_per_instance <= 0:
        detail = f"max_per_instance: got {demand.max_per_instance}; allowed: at least 1"
        return Unplaced(demand.key, demand.count, Reason.INVALID, detail)
    if shape.gpus == 0 and (demand.gpu_model or demand.gpu_memory_mib):
        detail = "gpus: got 0 together with a GPU model or memory; allowed: at least 1 GPU then"
        return Unplaced(demand.key, demand.count, Reason.CONTRADICTION, detail)
    return None


def sensible(
    demands: Sequence[Demand], licences: Mapping[str, int]
) -> tuple[list[Demand], list[Unplaced]]:
    """The demands that make sense and have their licences, lower ranks first; and what is
    refused."""
    kept, refused, seats = [], [], dict(licences)
    for demand in sorted(demands, key=lambda demand: (demand.rank, demand.key)):
        wrong = nonsense(demand)
        if wrong:
            refused.append(wrong)
            continue
        seated, unseated = seat(demand, seats)
        kept += [seated] if seated.count else []
        refused += [unseated] if unseated else []
    return kept, refused


def seat(demand: Demand, seats: dict[str, int]) -> tuple[Demand, Unplaced | None]:
    """The tasks that get a seat of their licence, taken from `seats`; lower ranks came first."""
    if demand.licence is None:
        return demand, None
    free = seats.get(demand.licence, 0)
    taken = min(free, demand.count)
    seats[demand.licence] = free - taken
    if taken == demand.count:
        return demand, None
    detail = f"licence: needs {demand.count} seats of {demand.licence}, {free} are free"
    short = Unplaced(demand.key, demand.count - taken, Reason.LICENCE, detail)
    return replace(demand, count=taken), short


def placeable(problem: Problem, hosts: Sequence[Host]) -> tuple[Problem, list[Unplaced]]:
    """The problem without what could never have a place even on empty hosts; and that, with
    reasons."""
    doubtful = np.flatnonzero(~problem.fits.any(axis=1))
    reasons = [unplaceable(problem.demands[k], hosts) for k in doubtful]
    hopeless = [k for k, reason in zip(doubtful.tolist(), reasons, strict=True) if reason]
    return problem.without(hopeless), [reason for reason in reasons if reason]


def unplaceable(demand: Demand, hosts: Sequence[Host]) -> Unplaced | None:
    """Why not even one task could have a place on empty hosts; None where one could.

    The filters are applied one after the other, and the one that leaves nothing is the reason.
    """
    if not hosts:
        return Unplaced(
            demand.key,
            demand.count,
            Reason.NO_CAPACITY,
            "neither free capacity nor instance types were given",
        )
    left = list(hosts)
    for reason, need, keeps in filters(demand):
        kept = [host for host in left if keeps(host)]
        if not kept:
            return Unplaced(
                demand.key, demand.count, reason, f"{need}; {most(reason, left, demand)}"
            )
        left = kept
    return None


Filter = tuple[Reason, str, Callable[[Host], bool]]


def filters(demand: Demand) -> list[Filter]:
    """Each constraint with its words, from the most general to the most particular."""
    shape, memory = demand.shape, demand.gpu_memory_mib or 0
    return [
        (Reason.TOO_BIG, f"needs {words(shape)}", lambda host: shape.fits(host.room)),
        (
            Reason.ARCH,
            f"arch: needs {demand.arch}",
            lambda host: demand.arch in (None, host.traits.arch),
        ),
        (
            Reason.GPU_MODEL,
            f"gpu_model: needs {demand.gpu_model}",
            lambda host: demand.gpu_model in (None, host.traits.gpu_model),
        ),
        (
            Reason.GPU_MEMORY,
            f"gpu_memory_mib: needs {memory}",
            lambda host: memory <= host.traits.gpu_memory_mib,
        ),
        (
            Reason.ON_DEMAND,
            "purchase: needs ON_DEMAND",
            lambda host: demand.spot_ok or host.traits.purchase == "ON_DEMAND",
        ),
        (Reason.NO_PRICE, "price_usd_hour: needs one", lambda host: host.price is not None),
    ]


def words(shape: Resources) -> str:
    gpus = f", {shape.gpus} GPU{'s' * (shape.gpus != 1)}" if shape.gpus else ""
    return f"{shape.vcpu:g} vCPU, {shape.memory_mib:,} MiB{gpus}"


def most(reason: Reason, hosts: Sequence[Host], demand: Demand) -> str:
    """What there is instead, in the words of the constraint."""
    if reason is Reason.TOO_BIG:
        largest = Resources()
        for host in hosts:
            largest = largest.largest(host.room)
        gpus = ", no GPU" if demand.shape.gpus and not largest.gpus else ""
        return f"the largest of each that one host has is {words(largest)}{gpus}"
    if reason is Reason.ARCH:
        return "there is " + listed(host.traits.arch for host in hosts)
    if reason is Reason.GPU_MODEL:
        return "there is " + listed(host.traits.gpu_model or "no GPU" for host in hosts)
    if reason is Reason.GPU_MEMORY:
        return f"the most is {max(host.traits.gpu_memory_mib for host in hosts)}"
    return "there is " + listed(host.key for host in hosts)


def listed(names: Iterable[str], limit: int = 6) -> str:
    unique = sorted(set(names))
    more = f" and {len(unique) - limit} more" if len(unique) > limit else ""
    return ", ".join(unique[:limit]) + more
