"""Demand and capacity in, plan out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headgate.errors import InvalidInput
from packer.catalogue import Bin, InstanceType
from packer.coarse import Coarse, coarsen, refine
from packer.deadline import Deadline
from packer.demand import Demand
from packer.first_fit import Groups, first_fit
from packer.improve import improve, lower_bound
from packer.options import PackOptions
from packer.plan import Placement, Plan, Reason, Unplaced
from packer.problem import MILLI, UNLIMITED, Ints, Problem, compile_problem
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
    unique(demands, bins, catalogue)
    # 1. Set aside what can have no place at all.
    sane, refused = sensible(demands, options)
    problem = compile_problem(sane, bins, catalogue, options.vcpu_quota)
    problem, hopeless = placeable(problem, hosts_of(bins, catalogue))
    # 2. First fit: at once, and all there is to do when it costs nothing.
    coarse = coarsen(problem, MOST_SHAPES)
    groups, solver, bound = first_fit(coarse.problem), "first-fit", 0.0
    if groups.cost() and not deadline.over():
        # 3. Better, and how good at the best.
        counts = placed_of(coarse, groups)
        bound = lower_bound(problem, counts, deadline)
        improved = improve(coarse.problem, groups, bound, options.seed, deadline)
        groups, solver = improved.groups, improved.solver
    groups = refine(coarse, groups, problem.count)
    # 4. Say what found no room, and why.
    return Plan(
        placements=placements_of(groups),
        unplaced=(*refused, *hopeless, *leftovers(groups)),
        cost_usd_hour=groups.cost(),
        bound_usd_hour=min(bound, groups.cost()),
        solver=solver,
        seconds=deadline.used(),
    )


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


def placed_of(coarse: Coarse, groups: Groups) -> Ints:
    """What is placed, in the original's demands."""
    return refine(coarse, groups, coarse.original.count).placed()


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
