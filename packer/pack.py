"""Demand and capacity in, plan out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from headgate.errors import InvalidInput
from packer.again import again
from packer.catalogue import Bin, InstanceType
from packer.coarse import coarsen, refine
from packer.deadline import Deadline
from packer.demand import Demand
from packer.first_fit import Groups, first_fit
from packer.improve import improve, prove
from packer.lifetime import by_lifetime, fewer, lifetimes
from packer.options import PackOptions
from packer.plan import Placement, Plan, Prices, Reason, Unplaced
from packer.problem import MILLI, UNLIMITED, Problem, compile_problem, price_of
from packer.spot import HOUR_S
from packer.triage import Host, hosts_of, nonsense, unplaceable

#: Beyond so many shapes, like ones are rounded up to one; this many cost some 0.1 % at the most.
MOST_SHAPES = 2000


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
    options = options or PackOptions()
    deadline = Deadline(options.deadline_s)
    asked = (tuple(demands), tuple(bins), tuple(catalogue), options)
    if warm is not None and warm.asked == asked:
        return replace(warm, seconds=deadline.used())
    unique(demands, bins, catalogue)
    # 1. Set aside what can have no place at all.
    sane, refused = sensible(demands, options)
    if options.objective == "money":
        catalogue = fewer(catalogue)
    problem = compile_problem(sane, bins, catalogue, options.vcpu_quota)
    problem, hopeless = placeable(problem, hosts_of(bins, catalogue))
    offered_s = lifetimes(problem.demands) if options.objective == "money" else []
    if offered_s:
        problem = by_lifetime(problem, offered_s)
    # 2. The plan before may still be good.
    known = again(problem, warm) if warm and warm.prices and not offered_s else None
    if known and warm:
        found = Found(*known, warm.prices, "again")
    else:
        # 3. First fit: at once, and all there is to do when it costs nothing. Else better, with proof.
        found = fresh(problem, options, deadline)
    # 4. Say what found no room, and why.
    return Plan(
        placements=placements_of(found.groups),
        unplaced=(*refused, *hopeless, *leftovers(found.groups)),
        cost_usd_hour=rate(found.groups),
        bound_usd_hour=0.0 if offered_s else min(found.bound, found.groups.cost()),
        cost_usd=money(found.groups) if offered_s else None,
        solver=found.solver,
        seconds=deadline.used(),
        prices={} if offered_s else found.prices,
        asked=asked,
    )


@dataclass(frozen=True, slots=True)
class Found:
    """A packing of the problem with its proof."""

    groups: Groups
    bound: float
    prices: Mapping[str, Prices]
    solver: str


def fresh(problem: Problem, options: PackOptions, deadline: Deadline) -> Found:
    """First fit, then better as far as time allows."""
    coarse = coarsen(problem, MOST_SHAPES)
    first = first_fit(coarse.problem)
    if not first.cost() or deadline.over():
        return Found(refine(coarse, first, problem.count), 0.0, {}, "first-fit")
    placed = refine(coarse, first, problem.count).placed()
    bound, prices = prove(problem, placed, deadline)
    best = improve(coarse.problem, first, bound, options.seed, deadline)
    return Found(refine(coarse, best.groups, problem.count), bound, prices, best.solver)


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


def sensible(
    demands: Sequence[Demand], options: PackOptions
) -> tuple[list[Demand], list[Unplaced]]:
    """The demands that make sense and have their licences, lower ranks first; and what is refused."""
    kept, refused, seats = [], [], dict(options.licences)
    for demand in sorted(demands, key=lambda demand: (demand.rank, demand.key)):
        wrong = nonsense(demand)
        if wrong:
            refused.append(wrong)
            continue
        seated, unseated = seat(demand, seats)
        kept += [seated] if seated.count else []
        refused += [unseated] if unseated else []
    return kept, refused


def placeable(problem: Problem, hosts: Sequence[Host]) -> tuple[Problem, list[Unplaced]]:
    """The problem without what could never have a place even on empty hosts; and that, with reasons."""
    doubtful = np.flatnonzero(~problem.fits.any(axis=1))
    reasons = [unplaceable(problem.demands[k], hosts) for k in doubtful]
    hopeless = [k for k, reason in zip(doubtful.tolist(), reasons, strict=True) if reason]
    return problem.without(hopeless), [reason for reason in reasons if reason]


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
    keys = [demand.key for demand in problem.demands]
    return tuple(
        Placement(
            host=problem.hosts[host].key,
            is_new=bool(problem.is_new[host]),
            instances=instances,
            contents={keys[demand]: tasks for demand, tasks in contents.items()},
        )
        for host, instances, contents in groups.rows()
    )


def rate(groups: Groups) -> float:
    """USD an hour for the new instances."""
    hosts = groups.problem.hosts
    return sum(price_of(hosts[host]) * instances for host, instances, _ in groups.rows())


def money(groups: Groups) -> float:
    """USD for the new instances until the last task on each is predicted to end."""
    problem, usd = groups.problem, 0.0
    longest = max((demand.runtime_s or 0.0 for demand in problem.demands), default=0.0)
    for host, instances, contents in groups.rows():
        ends_s = max(problem.demands[k].runtime_s or longest for k in contents)
        usd += price_of(problem.hosts[host]) * ends_s / HOUR_S * instances
    return usd


def leftovers(groups: Groups) -> list[Unplaced]:
    """What would fit somewhere, but has no room now."""
    problem, left = groups.problem, groups.problem.count - groups.placed()
    return [
        Unplaced(problem.demands[k].key, int(left[k]), *scarce(problem, k))
        for k in np.flatnonzero(left).tolist()
    ]


def scarce(problem: Problem, k: int) -> tuple[Reason, str]:
    """What ran out for a demand that would fit on an empty host."""
    fits = problem.fits[k] & problem.is_new
    if not fits.any():
        return Reason.NO_ROOM, "free capacity: all that would fit is taken"
    if (problem.limit[fits] < UNLIMITED).all():
        return Reason.TYPE_LIMIT, "limit: no more instances that would fit may be started"
    quota = problem.quota / MILLI
    return Reason.VCPU_QUOTA, f"vcpu_quota: {quota:g} vCPUs do not suffice for what would fit"
