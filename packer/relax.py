"""The fractional packing: a linear programme that gives a proven bound, and a guide for the real
one.

Tasks may be cut here. Every real packing is one of these, so the cost of the best of them bounds
all. The dual says it in prices: an instance type t values its room at `value[t]` (USD for one
milli-vCPU, one MiB, one GPU) such that a whole instance is worth no more than its price; then a
task costs at least what it is worth at the cheapest type that takes it. That holds for any such
values, so the bound is exact over all shapes even where the programme saw only clusters of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ortools.linear_solver import pywraplp

from packer.plan import Prices
from packer.problem import MILLI, UNLIMITED, Bools, Floats, Ints, Problem
from packer.shapes import Cluster, clusters

#: The programme counts in vCPU, GiB and GPUs: numbers of one size keep the simplex method exact.
UNIT = np.array([MILLI, 1024, 1])


@dataclass(frozen=True, slots=True)
class Market:
    """Where tasks can go, as the programme sees it: instance types, then pools of bins.

    A pool is all bins with the same traits as if they were one; that is a relaxation, so the bound
    holds. `host` is the type's index among the hosts, -1 for a pool; `fits` is demands by markets.
    """

    host: Ints
    room: Floats
    price: Floats
    limit: Ints
    fits: Bools

    @classmethod
    def of(cls, problem: Problem, types: Ints) -> Market:
        room = problem.room[types].astype(float)
        return cls(types, room, problem.price[types], problem.limit[types], problem.fits[:, types])


@dataclass(frozen=True, slots=True)
class Relaxed:
    """The answer: `instances` of each type of the market, `tasks` of each cluster there; all
    fractional.

    `value` is the worth of a milli-vCPU, a MiB and a GPU in each market; `worth` what a task of
    each demand costs at the least, by these. The bound is the sum of it.
    """

    market: Market
    clusters: list[Cluster]
    instances: Floats
    tasks: Floats
    value: Floats
    worth: Floats
    bound: float


def relax(
    problem: Problem, market: Market, count: Ints, most_clusters: int, seconds: float
) -> Relaxed | None:
    """The cheapest fractional packing of `count` tasks of each demand; None if not found in
    time."""
    shapes = clusters(problem.need, count, market.fits, most_clusters)
    programme = Programme(problem, market, shapes)
    if not programme.solve(seconds):
        return None
    value, quota_value = programme.prices()
    worth, rent = worths(problem, market, value, quota_value)
    bound = total(count, worth, rent)
    return Relaxed(market, shapes, programme.instances(), programme.tasks(), value, worth, bound)


def total(count: Ints, worth: Floats, rent: float) -> float:
    """What `count` tasks cost at the least."""
    return max(0.0, float(count @ np.where(count, worth, 0.0)) - rent)


def proven_by(problem: Problem, count: Ints, prices: Mapping[str, Prices]) -> float:
    """What `count` tasks cost at the least, by prices that another demand taught; 0 where the
    prices know nothing of some type. A pool of bins values its room as the dearest type does."""
    market = with_pools(problem, Market.of(problem, np.flatnonzero(problem.is_new)))
    keys = [problem.hosts[host].key for host in market.host if host >= 0]
    if not keys or not all(key in prices for key in keys):
        return 0.0
    value = np.array([prices[key] for key in keys])
    pools = np.tile(value.max(axis=0), (len(market.host) - len(keys), 1))
    return total(count, *worths(problem, market, np.vstack([value, pools]), 0.0))


def learnt(problem: Problem, relaxed: Relaxed) -> dict[str, Prices]:
    """The prices of every type, for `proven_by`. A type that the programme left out takes those of
    one that stood in for it: it takes the same demands, and by its prices the type is not worth too
    much."""
    there = np.flatnonzero(relaxed.market.host >= 0)
    value, fits = relaxed.value[there], relaxed.market.fits[:, there]
    row = {int(host): t for t, host in enumerate(relaxed.market.host[there])}
    answer = {}
    for host in np.flatnonzero(problem.is_new).tolist():
        stands_in = row.get(host)
        if stands_in is None:
            worth = value @ problem.room[host]
            could = worth <= problem.price[host] * (1 + 1e-9)
            could &= (fits >= problem.fits[:, [host]]).all(axis=0)
            stands_in = int(np.where(could, worth, -1.0).argmax())
        vcpu, memory, gpu = value[stands_in].tolist()
        answer[problem.hosts[host].key] = (vcpu, memory, gpu)
    return answer


def types_market(problem: Problem, dearest: float = np.inf) -> Market:
    """The instance types (of those up to a price) that the best fractional packing can need.

    One is left out where another gives at least as much of everything for a dollar and takes the
    same demands. Where a limit or a quota could bind, that does not follow, and such types stay.
    """
    new = np.flatnonzero(problem.is_new & (problem.price <= dearest))
    if np.isfinite(problem.quota):
        return Market.of(problem, new)
    free = problem.limit[new] >= UNLIMITED
    takes, kind = takes_all(problem.fits[:, new])
    per_dollar = problem.room[new] / np.maximum(problem.price[new], 1e-12)[:, None]
    kept = np.ones(len(new), dtype=bool)
    for i in range(len(new)):
        better = kept & free & takes[kind, kind[i]]
        better &= (per_dollar >= per_dollar[i] * (1 - 1e-12)).all(axis=1)
        better[i] = False
        kept[i] = not better.any()
    return Market.of(problem, new[kept])


def takes_all(fits: Bools) -> tuple[Bools, Ints]:
    """Which kinds of hosts take all that another kind takes, and each host's kind."""
    kinds, kind = np.unique(np.packbits(fits, axis=0), axis=1, return_inverse=True)
    return ((kinds[:, :, None] | ~kinds[:, None, :]) == 255).all(axis=0), kind.reshape(-1)


def with_pools(problem: Problem, types: Market) -> Market:
    """The types' market and the bins, pooled by their traits."""
    pools: dict[bytes, list[int]] = {}
    for bin_ in np.flatnonzero(~problem.is_new):
        pools.setdefault(np.packbits(problem.allowed[:, bin_]).tobytes(), []).append(int(bin_))
    members = list(pools.values())
    room = [problem.room[bins].sum(axis=0) for bins in members]
    fits = [problem.fits[:, bins].any(axis=1) for bins in members]
    none = np.zeros(len(members))
    return Market(
        np.concatenate([types.host, np.full(len(members), -1)]),
        np.vstack([types.room, *room]),
        np.concatenate([types.price, none]),
        np.concatenate([types.limit, np.ones(len(members), dtype=np.int64)]),
        np.column_stack([types.fits, *fits]),
    )


class Programme:
    """Minimise the price of instances, such that all tasks are placed and nothing is over-full."""

    def __init__(self, problem: Problem, market: Market, shapes: list[Cluster]) -> None:
        self.solver = solver = pywraplp.Solver.CreateSolver("GLOP")
        self.market, infinity = market, solver.infinity()
        # Variables: how many instances; a task's variable is made below, where it fits.
        self.started = [solver.NumVar(0.0, upper(limit), "") for limit in market.limit]
        self.placed: dict[tuple[int, int], pywraplp.Variable] = {}
        # Each cluster is placed; each part of each type's room suffices.
        self.whole = [solver.Constraint(float(shape.count), infinity) for shape in shapes]
        self.room = [[solver.Constraint(-infinity, 0.0) for _ in range(3)] for _ in market.host]
        self.quota = solver.Constraint(-infinity, min(problem.quota / MILLI, 1e9))
        for t, started in enumerate(self.started):
            solver.Objective().SetCoefficient(started, float(market.price[t]))
            for axis, row in enumerate(self.room[t]):
                row.SetCoefficient(started, -float(market.room[t, axis] / UNIT[axis]))
            if market.host[t] >= 0:
                self.quota.SetCoefficient(started, float(market.room[t, 0]) / MILLI)
        for c, shape in enumerate(shapes):
            parts = [
                (part, float(shape.need[part] / UNIT[part])) for part in np.flatnonzero(shape.need)
            ]
            for t in np.flatnonzero(market.fits[shape.members[0]]).tolist():
                self.placed[c, t] = variable = solver.NumVar(0.0, infinity, "")
                self.whole[c].SetCoefficient(variable, 1.0)
                for part, need in parts:
                    self.room[t][part].SetCoefficient(variable, need)
        solver.Objective().SetMinimization()

    def solve(self, seconds: float) -> bool:
        self.solver.SetTimeLimit(max(1, int(seconds * 1000)))
        return bool(self.solver.Solve() == pywraplp.Solver.OPTIMAL)

    def instances(self) -> Floats:
        return np.array([started.solution_value() for started in self.started])

    def tasks(self) -> Floats:
        answer = np.zeros((len(self.whole), len(self.started)))
        for (c, t), variable in self.placed.items():
            answer[c, t] = max(0.0, variable.solution_value())
        return answer

    def prices(self) -> tuple[Floats, float]:
        """What a unit of each part of the room is worth on each type, and a vCPU of the quota."""
        value = [[max(0.0, -row.dual_value()) for row in rows] for rows in self.room]
        return np.array(value).reshape(-1, 3) / UNIT, max(0.0, -self.quota.dual_value()) / MILLI


def upper(limit: int) -> float:
    return float("inf") if limit >= UNLIMITED else float(limit)


def worths(
    problem: Problem, market: Market, value: Floats, quota_value: float
) -> tuple[Floats, float]:
    """What each task costs at the least, proven by any prices `value`, and the rent to take off the
    sum.

    A type without a limit must not be worth more than it costs, so its prices are scaled down until
    that is so; one with a limit may, and what it is worth more is paid once for each of the limit.
    """
    worth = (value * market.room).sum(axis=1)
    cost = market.price + quota_value * np.where(market.host >= 0, market.room[:, 0], 0.0)
    limited = market.limit < UNLIMITED
    scale = np.where(limited, 1.0, np.minimum(1.0, cost / np.maximum(worth, 1e-300)))
    rent = float((np.maximum(worth - cost, 0.0) * np.where(limited, market.limit, 0)).sum())
    if quota_value:
        rent += quota_value * problem.quota
    each = problem.need @ (value * scale[:, None]).T
    return np.where(market.fits, each, np.inf).min(axis=1, initial=np.inf), rent
