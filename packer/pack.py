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
from packer.improve import Improved, improve, only_bins, prove, together
from packer.lifetime import by_lifetime, fewer, lifetimes
from packer.options import PackOptions
from packer.plan import Placement, Plan, Prices, Reason, Unplaced
from packer.problem import MILLI, UNLIMITED, Problem, compile_problem, price_of
from packer.spot import HOUR_S
from packer.triage import Host, hosts_of, nonsense, unplaceable
from packer.trim import trim

#: Good enough to stop looking.
ENOUGH = 1.0005
#: The part of the time left that is for the search; the rest puts its plan together.
SEARCHING = 0.85
#: First fit is only a start where everything finds a place, and quick with so many shapes.
QUICK_SHAPES = 400
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

    The same input gives the same plan. `warm` is the plan of the cycle before. Raises
    `InvalidInput` where keys are not unique; everything else that is wrong with a demand is its
    `Unplaced.reason`.
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
        # 3. First fit: at once, and all there is to do when it costs nothing. Else better, with
        # proof.
        found = fresh(problem, options, deadline)
    # 4. Say what found no room, and why.
    plan = Plan(
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
    return replace(plan, fresh_gap=warm.fresh_gap if known and warm else plan.gap)


@dataclass(frozen=True, slots=True)
class Found:
    """A packing of the problem with its proof."""

    groups: Groups
    bound: float
    prices: Mapping[str, Prices]
    solver: str


def fresh(problem: Problem, options: PackOptions, deadline: Deadline) -> Found:
    """First fit, then better as far as time allows."""
    # Where capacity is scarce, first fit decides what has a place, so it sees finer shapes.
    quick = coarsen(problem, MOST_SHAPES if is_scarce(problem) else QUICK_SHAPES)
    first = refine(quick, first_fit(quick.problem), problem.count)
    found = Found(first, 0.0, {}, "first-fit")
    if not first.cost() or deadline.over():
        return found
    bound, prices = prove(problem, first.placed(), deadline)
    found = Found(trim(first), bound, prices, "first-fit")
    # What is on bins stays there; just what first fit placed elsewhere is packed better.
    bins = only_bins(first)
    rest = problem.after(bins.host, bins.instances, first.placed() - bins.placed())
    coarse = coarsen(rest, MOST_SHAPES)
    for one in improve(coarse.problem, options.seed, Deadline(deadline.left() * SEARCHING)):
        if found.groups.cost() <= found.bound * ENOUGH:
            break
        exact = coarse.problem is rest and not len(bins.host)
        groups = together(bins, refine(coarse, one.groups, rest.count))
        found = better(found, Improved(groups, one.solver, one.bound if exact else 0.0))
    return found


def is_scarce(problem: Problem) -> bool:
    """Whether not everything that fits may have a place."""
    limited = (problem.limit < UNLIMITED) & problem.is_new
    return bool((~problem.is_new).any() or limited.any() or np.isfinite(problem.quota))


def better(found: Found, one: Improved) -> Found:
    """The cheaper packing of the two, and the higher bound."""
    bound = max(found.bound, one.bound)
    if one.groups.cost() < found.groups.cost():
        return Found(one.groups, bound, found.prices, one.solver)
    return replace(found, bound=bound)


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
    """The demands that make sense and have their licences, lower ranks first; and what is
    refused."""
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
    """The problem without what could never have a place even on empty hosts; and that, with
    reasons."""
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
