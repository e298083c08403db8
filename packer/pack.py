"""Demand and capacity in, plan out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from headgate.errors import InvalidInput
from packer.catalogue import Bin, InstanceType
from packer.demand import Demand
from packer.first_fit import Groups, first_fit
from packer.options import PackOptions
from packer.plan import Placement, Plan, Reason, Unplaced
from packer.problem import Problem, compile_problem
from packer.triage import hosts_of, nonsense, unplaceable


def pack(
    demands: Sequence[Demand],
    *,
    bins: Sequence[Bin] = (),
    catalogue: Sequence[InstanceType] = (),
    options: PackOptions | None = None,
    warm: Plan | None = None,
) -> Plan:
    """Place what can be placed at least cost, free capacity first; the rest gets a typed reason.

    The same input gives the same plan. `warm` is the plan of the cycle before. Raises `InvalidInput`
    where keys are not unique; everything else that is wrong with a demand is its `Unplaced.reason`.
    """
    started = time.perf_counter()
    options = options or PackOptions()
    unique(demands, bins, catalogue)
    # 1. Set aside what can have no place at all.
    placeable, unplaced = triage(demands, bins, catalogue, options)
    # 2. First fit: at once, and all there is to do when it costs nothing.
    problem = compile_problem(placeable, bins, catalogue, options.vcpu_quota)
    groups = first_fit(problem)
    placements = placements_of(groups)
    cost = cost_of(groups)
    # 3. Say what found no room, and why.
    unplaced += leftovers(problem, groups)
    seconds = time.perf_counter() - started
    return Plan(placements, tuple(unplaced), cost, 0.0, "first-fit", seconds)


def unique(
    demands: Sequence[Demand], bins: Sequence[Bin], catalogue: Sequence[InstanceType]
) -> None:
    for field, keys in (
        ("demands", [demand.key for demand in demands]),
        ("bins", [bin_.key for bin_ in bins]),
        ("catalogue", [kind.key for kind in catalogue]),
    ):
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise InvalidInput.of(f"{field}.key", twice, "each key once in a call")


def triage(
    demands: Sequence[Demand],
    bins: Sequence[Bin],
    catalogue: Sequence[InstanceType],
    options: PackOptions,
) -> tuple[list[Demand], list[Unplaced]]:
    hosts, seats = hosts_of(bins, catalogue), dict(options.licences)
    placeable, unplaced = [], []
    for demand in sorted(demands, key=lambda demand: (demand.rank, demand.key)):
        refused = nonsense(demand) or unplaceable(demand, hosts)
        if refused:
            unplaced.append(refused)
            continue
        seated, unseated = seat(demand, seats)
        placeable += [seated] if seated.count else []
        unplaced += [unseated] if unseated else []
    return placeable, unplaced


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


def placements_of(groups: Groups) -> tuple[Placement, ...]:
    problem = groups.problem
    return tuple(
        Placement(
            host=problem.hosts[host].key,
            is_new=isinstance(problem.hosts[host], InstanceType),
            instances=int(instances),
            contents={problem.demands[demand].key: tasks for demand, tasks in contents.items()},
        )
        for host, instances, contents in zip(
            groups.host, groups.instances, groups.contents, strict=True
        )
        if contents
    )


def cost_of(groups: Groups) -> float:
    return float(groups.problem.price[groups.host] @ groups.instances)


def leftovers(problem: Problem, groups: Groups) -> list[Unplaced]:
    placed = [0] * len(problem.demands)
    for instances, contents in zip(groups.instances, groups.contents, strict=True):
        for demand, tasks in contents.items():
            placed[demand] += tasks * int(instances)
    return [
        Unplaced(demand.key, demand.count - there, *scarce(problem, k))
        for k, (demand, there) in enumerate(zip(problem.demands, placed, strict=True))
        if there < demand.count
    ]


def scarce(problem: Problem, k: int) -> tuple[Reason, str]:
    """What ran out for a demand that would fit on an empty host."""
    fits = problem.allowed[k] & (problem.need[k] <= problem.room).all(axis=1) & problem.is_new
    if not fits.any():
        return Reason.NO_ROOM, "free capacity: all that would fit is taken"
    if (problem.limit[fits] < 2**40).all():
        return Reason.TYPE_LIMIT, "limit: no more instances that would fit may be started"
    return Reason.VCPU_QUOTA, "vcpu_quota: used up"
