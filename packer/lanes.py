"""The portfolio: which few lanes serve a history of demand at least cost.

AWS Batch allows 50 queues a Region, and every lane is a queue. A lane is one instance shape, for
which several types may stand in. The cost of a portfolio is that of the fractional packing of the
whole history on its lanes, each task for as long as it ran: what lanes can do for it at the best,
whatever the hour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from headgate.resources import Resources
from packer.catalogue import InstanceType
from packer.demand import Demand
from packer.problem import Ints, Problem, compile_problem, ints
from packer.relax import Market, Relaxed, relax, types_market
from packer.triage import nonsense

#: Types that cost up to this many times the cheapest of their shape may stand in for it.
ALIKE = 1.1
#: Clusters of the demand: dozens of programmes are solved, and these few tell lanes apart.
CLUSTERS = 60
#: What a task of unknown runtime counts as.
HOUR_S = 3600
#: A programme takes some hundredths of a second; this only stops one that hangs.
SOLVE_S = 10.0


@dataclass(frozen=True, slots=True)
class LaneShape:
    """One shape with the types that stand in for each other.

    Its memory is the least of theirs. Its price is the cheapest's on demand, where Batch starts the
    cheapest that it gets, and the dearest's on Spot, where it starts what is least likely to be
    taken.
    """

    kind: InstanceType
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Some lanes, and what the whole history costs on them; a task of unknown runtime is taken to
    run for an hour.
    """

    lanes: tuple[LaneShape, ...]
    cost_usd: float
    over_best: float  #: the cost over that of the best packing on any number of types


def lane_shapes(catalogue: Sequence[InstanceType]) -> list[LaneShape]:
    """The catalogue's types by shape: vCPUs, GiB, GPUs, architecture and purchase."""
    groups: dict[tuple[object, ...], list[InstanceType]] = {}
    for kind in sorted(catalogue, key=lambda kind: (kind.price_usd_hour or 0.0, kind.key)):
        if kind.price_usd_hour is not None:
            groups.setdefault(shape_of(kind), []).append(kind)
    lanes = [lane(group) for group in groups.values()]
    return sorted(lanes, key=lambda lane: lane.kind.key)


def shape_of(kind: InstanceType) -> tuple[object, ...]:
    gib_per_vcpu = round(kind.capacity.memory_mib / kind.capacity.vcpu / 1024, 0)
    gpu = (kind.capacity.gpus, kind.gpu_model, kind.gpu_memory_mib)
    return (kind.capacity.vcpu, gib_per_vcpu, gpu, kind.arch, kind.purchase)


def lane(group: Sequence[InstanceType]) -> LaneShape:
    """The cheapest of a shape and those that cost little more; what a task can count on is the
    least."""
    cheapest = group[0]
    members = [k for k in group if price(k) <= price(cheapest) * ALIKE]
    memory = min(kind.capacity.memory_mib for kind in members)
    room = Resources(cheapest.capacity.vcpu, memory, cheapest.capacity.gpus)
    paid = members[0] if cheapest.purchase == "ON_DEMAND" else members[-1]
    kind = replace(cheapest, capacity=room, price_usd_hour=paid.price_usd_hour)
    return LaneShape(kind, tuple(member.name for member in members))


def price(kind: InstanceType) -> float:
    return kind.price_usd_hour or 0.0


def portfolios(
    demands: Sequence[Demand], catalogue: Sequence[InstanceType], most: int = 50
) -> list[Portfolio]:
    """The best portfolio found for each number of lanes, `most` first, down to the fewest that
    serve every task which any type serves.

    Backward elimination: from the lanes of the best packing, always the one goes whose going costs
    least. Not proven to be the best choice; `over_best` says how much it could be off at the most.
    """
    lanes = {lane.kind.key: lane for lane in lane_shapes(catalogue)}
    sane = [demand for demand in demands if nonsense(demand) is None]
    problem = timed(compile_problem(sane, (), [lane.kind for lane in lanes.values()], None))
    problem = problem.without(np.flatnonzero(~problem.fits.any(axis=1)).tolist())
    if not problem.demands:
        return []
    best = best_of(problem.demands, catalogue)
    chosen = solve(problem, types_market(problem).host)
    found: list[Portfolio] = []
    while chosen is not None:
        hosts = used(chosen)
        if len(hosts) <= most and (not found or len(hosts) < len(found[-1].lanes)):
            shapes = tuple(lanes[problem.hosts[host].key] for host in hosts)
            cost = cost_of(chosen)
            found.append(Portfolio(shapes, cost, cost / max(best, 1e-12)))
        without = [solve(problem, hosts[hosts != host]) for host in hosts]
        left = [one for one in without if one is not None]
        chosen = min(left, key=cost_of, default=None)
    return found


def best_of(demands: Sequence[Demand], catalogue: Sequence[InstanceType]) -> float:
    """What the demands cost on all types as they are, USD."""
    problem = timed(compile_problem(demands, (), catalogue, None))
    relaxed = solve(problem, types_market(problem).host)
    return cost_of(relaxed) if relaxed else 0.0


def timed(problem: Problem) -> Problem:
    """Each task as many times as it runs seconds: what holds an instance for long weighs more."""
    seconds = [max(1, math.ceil(demand.runtime_s or HOUR_S)) for demand in problem.demands]
    return replace(problem, count=problem.count * ints(seconds))


def solve(problem: Problem, hosts: Ints) -> Relaxed | None:
    """The fractional packing on these hosts; None where they cannot take every task."""
    market = Market.of(problem, hosts)
    if not len(hosts) or not market.fits.any(axis=1).all():
        return None
    return relax(problem, market, problem.count, CLUSTERS, SOLVE_S)


def cost_of(relaxed: Relaxed) -> float:
    """USD, of a timed problem."""
    return float(relaxed.market.price @ relaxed.instances) / HOUR_S


def used(relaxed: Relaxed) -> Ints:
    return relaxed.market.host[relaxed.instances > 1e-9]
