"""Is a plan legal, and is its cost what it says? Written apart from the solver, and slowly on
purpose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from headgate.resources import Resources
from packer.catalogue import Bin, InstanceType
from packer.demand import Demand
from packer.options import PackOptions
from packer.plan import Placement, Plan

Host = Bin | InstanceType


def verify(
    plan: Plan,
    demands: Sequence[Demand],
    bins: Sequence[Bin] = (),
    catalogue: Sequence[InstanceType] = (),
    options: PackOptions | None = None,
) -> list[str]:
    """What is wrong with the plan, a sentence each; empty where it is legal."""
    wanted = {demand.key: demand for demand in demands}
    hosts: dict[tuple[str, bool], Host] = {(bin_.key, False): bin_ for bin_ in bins}
    hosts |= {(kind.key, True): kind for kind in catalogue}
    found = list(unknown(plan, wanted, hosts))
    if found:
        return found
    for placement in plan.placements:
        host = hosts[placement.host, placement.is_new]
        found += misfits(placement, host, wanted)
    found += miscounts(plan, wanted)
    found += overuse(plan, hosts, wanted, options or PackOptions())
    found += misprices(plan, hosts)
    return found


def unknown(
    plan: Plan, wanted: dict[str, Demand], hosts: dict[tuple[str, bool], Host]
) -> Iterator[str]:
    for placement in plan.placements:
        if (placement.host, placement.is_new) not in hosts:
            yield f"{placement.host}: no such {'type' if placement.is_new else 'bin'}"
        for key in placement.contents:
            if key not in wanted:
                yield f"{placement.host}: holds {key}, which nobody asked for"


def misfits(placement: Placement, host: Host, wanted: dict[str, Demand]) -> Iterator[str]:
    """Sizes, constraints and counts of one placement."""
    where = placement.host
    if placement.instances < 1 or any(tasks < 1 for tasks in placement.contents.values()):
        yield f"{where}: instances and tasks must be at least 1"
    used = Resources()
    for key, tasks in placement.contents.items():
        used += wanted[key].shape * tasks
        yield from misplaced(wanted[key], tasks, host, where)
    room = host.capacity if isinstance(host, InstanceType) else host.free
    if not used.fits(room):
        yield f"{where}: holds {used}, has {room}"


def misplaced(demand: Demand, tasks: int, host: Host, where: str) -> Iterator[str]:
    """One demand's constraints against one host."""
    if demand.arch is not None and demand.arch != host.arch:
        yield f"{where}: {demand.key} needs {demand.arch}, this is {host.arch}"
    if demand.gpu_model is not None and demand.gpu_model != host.gpu_model:
        yield f"{where}: {demand.key} needs {demand.gpu_model}, this has {host.gpu_model}"
    if demand.gpu_memory_mib is not None and demand.gpu_memory_mib > host.gpu_memory_mib:
        yield f"{where}: {demand.key} needs {demand.gpu_memory_mib} MiB a GPU"
    if not demand.spot_ok and host.purchase == "SPOT":
        yield f"{where}: {demand.key} may not run on Spot"
    ends_in_s = host.ends_in_s if isinstance(host, Bin) else None
    if ends_in_s is not None and (demand.runtime_s or 0.0) > ends_in_s:
        yield f"{where}: {demand.key} runs {demand.runtime_s} s, this ends in {ends_in_s}"
    if demand.max_per_instance is not None and tasks > demand.max_per_instance:
        yield f"{where}: {tasks} of {demand.key} on one, at most {demand.max_per_instance}"


def miscounts(plan: Plan, wanted: dict[str, Demand]) -> Iterator[str]:
    """Every task is placed or unplaced, and only once."""
    placed = plan.placed()
    left = Counter[str]()
    for unplaced in plan.unplaced:
        left[unplaced.key] += unplaced.count
    for key, demand in wanted.items():
        told = placed.get(key, 0) + left[key]
        if told != demand.count:
            yield f"{key}: {demand.count} tasks asked for, {told} accounted for"


def overuse(
    plan: Plan, hosts: dict[tuple[str, bool], Host], wanted: dict[str, Demand], options: PackOptions
) -> Iterator[str]:
    """Limits of hosts, the quota of vCPUs, and seats of licences."""
    used = Counter[tuple[str, bool]]()
    for placement in plan.placements:
        used[placement.host, placement.is_new] += placement.instances
    for (key, is_new), instances in used.items():
        host = hosts[key, is_new]
        limit = host.limit if isinstance(host, InstanceType) else 1
        if limit is not None and instances > limit:
            yield f"{key}: {instances} instances, at most {limit}"
    vcpu = sum(vcpus(hosts[key], instances) for key, instances in used.items())
    if options.vcpu_quota is not None and vcpu > options.vcpu_quota + 1e-6:
        yield f"vcpu_quota: {vcpu} used of {options.vcpu_quota}"
    yield from overbooked(plan, wanted.values(), options)


def vcpus(host: Host, instances: int) -> float:
    return host.capacity.vcpu * instances if isinstance(host, InstanceType) else 0.0


def overbooked(plan: Plan, demands: Iterable[Demand], options: PackOptions) -> Iterator[str]:
    placed, seats = plan.placed(), Counter[str]()
    for demand in demands:
        if demand.licence is not None:
            seats[demand.licence] += placed.get(demand.key, 0)
    for licence, taken in seats.items():
        if taken > options.licences.get(licence, 0):
            yield f"{licence}: {taken} seats taken of {options.licences.get(licence, 0)}"


def misprices(plan: Plan, hosts: dict[tuple[str, bool], Host]) -> Iterator[str]:
    """The cost is the sum of the prices, and the bound is not above it."""
    cost = 0.0
    for placement in plan.placements:
        host = hosts[placement.host, placement.is_new]
        if isinstance(host, InstanceType):
            if host.price_usd_hour is None:
                yield f"{placement.host}: has no price"
            cost += (host.price_usd_hour or 0.0) * placement.instances
    if abs(cost - plan.cost_usd_hour) > 1e-6 * max(1.0, cost):
        yield f"cost_usd_hour: says {plan.cost_usd_hour}, is {cost}"
    if plan.bound_usd_hour > plan.cost_usd_hour * (1 + 1e-9) + 1e-9:
        yield f"bound_usd_hour: {plan.bound_usd_hour} is above the cost, {plan.cost_usd_hour}"
