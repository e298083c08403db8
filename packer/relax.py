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

from packer.problem import MILLI, UNLIMITED, Bools, Floats, Ints, Problem, ints
from packer.proof import Prices, Proof
from packer.shapes import Cluster, clusters

#: The programme counts in vCPU, GiB and GPUs: numbers of one size keep the simplex method exact.
UNIT = np.array([MILLI, 1024, 1])

#: The solver's tolerance is absolute: more tasks than this are counted in multiples.
MOST_COUNTED = 1e7

#: Shares of an instance's price for its vCPUs, memory and GPUs, for a bound at once.
MIXTURES = ((0.7, 0.3, 0.0), (0.4, 0.6, 0.0), (0.1, 0.1, 0.8))


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

    `value` is the worth of a milli-vCPU, a MiB and a GPU in each market, and the proof what tasks
    cost at the least by these.
    """

    market: Market
    clusters: list[Cluster]
    instances: Floats
    tasks: Floats
    value: Floats
    quota_value: float
    proof: Proof
    bound: float

    @property
    def worth(self) -> Floats:
        """What each task costs at the least; 0 where it has no place at all."""
        return np.where(np.isfinite(self.proof.worth), self.proof.worth, 0.0)


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
    proof = worths(problem, market, value, quota_value)
    return Relaxed(
        market=market,
        clusters=shapes,
        instances=programme.instances(),
        tasks=programme.tasks(),
        value=value,
        quota_value=quota_value,
        proof=proof,
        bound=proof.bound(count),
    )


def proven_by(problem: Problem, prices: Mapping[str, Prices]) -> Proof:
    """What prices that another demand taught prove of this one; nothing where they know not all of
    its types. A pool of bins values its room as the dearest type does."""
    market = with_pools(problem, Market.of(problem, np.flatnonzero(problem.is_new)))
    keys = [problem.hosts[host].key for host in market.host if host >= 0]
    if not keys or not all(key in prices for key in keys):
        return Proof(np.zeros(len(problem.count)))
    value = np.array([prices[key] for key in keys])
    pools = np.tile(value.max(axis=0), (len(market.host) - len(keys), 1))
    return worths(problem, market, np.vstack([value, pools]), 0.0)


def proven_simply(problem: Problem, count: Ints) -> float:
    """What `count` tasks cost at the least, USD an hour, with no programme solved: by prices that
    give each part of every instance the same share of what it costs. Quick, and some way off."""
    new = np.flatnonzero(problem.is_new)
    keys, bounds = [problem.hosts[host].key for host in new], [0.0]
    for mixture in MIXTURES:
        there = np.where(problem.room[new] > 0, np.array(mixture), 0.0)
        share = there / np.maximum(there.sum(axis=1, keepdims=True), 1e-12)
        value = share * problem.price[new, None] / np.maximum(problem.room[new], 1)
        prices = {key: (v, m, g) for key, (v, m, g) in zip(keys, value.tolist(), strict=True)}
        bounds.append(proven_by(problem, prices).bound(count))
    return max(bounds)


def learnt(problem: Problem, relaxed: Relaxed) -> dict[str, Prices]:
    """The prices of every type, for `proven_by`. A type that the programme left out takes those of
    one that stood in for it: it takes the same demands, and by its prices the type is not worth too
    much."""
    there = np.flatnonzero(relaxed.market.host >= 0)
    new, value = np.flatnonzero(problem.is_new), relaxed.value[there]
    takes, kind = takes_all(problem.fits[:, new])
    place = np.searchsorted(new, relaxed.market.host[there])
    could = value @ problem.room[new].T <= problem.price[new] * (1 + 1e-9)
    could &= takes[kind[place]][:, kind]
    worth = np.where(could, value @ problem.room[new].T, -1.0)
    stands_in = worth.argmax(axis=0)
    stands_in[place] = np.arange(len(there))
    keys = [problem.hosts[host].key for host in new]
    return {
        key: (vcpu, memory, gpu)
        for key, (vcpu, memory, gpu) in zip(keys, value[stands_in].tolist(), strict=True)
    }


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


def undominated(problem: Problem, demands: Ints | None = None) -> Ints:
    """The new hosts but those for which another costs no more, has as much room and takes the same
    of the demands; of equals the first stays. A host whose limit could bind stands in for none."""
    fits = problem.fits if demands is None else problem.fits[demands]
    new = np.flatnonzero(problem.is_new & fits.any(axis=0))
    if np.isfinite(problem.quota):
        return new
    takes, kind = takes_all(fits[:, new])
    price, room, number = problem.price[new], problem.room[new], np.arange(len(new))
    beats = takes[kind][:, kind] & (price[:, None] <= price)
    for part in range(3):
        beats &= room[:, None, part] >= room[None, :, part]
    first = ~beats.T | (number[:, None] < number)
    beats &= first & (problem.limit[new] >= UNLIMITED)[:, None]
    np.fill_diagonal(beats, val=False)
    return new[~beats.any(axis=0)]


def takes_all(fits: Bools) -> tuple[Bools, Ints]:
    """Which kinds of hosts take all that another kind takes, and each host's kind."""
    columns = np.ascontiguousarray(np.packbits(fits, axis=0).T)
    numbers: dict[bytes, int] = {}
    kind = ints([numbers.setdefault(column.tobytes(), len(numbers)) for column in columns])
    kinds = columns[np.unique(kind, return_index=True)[1]]
    takes = [((one | ~kinds) == 255).all(axis=1) for one in kinds]
    return np.array(takes, dtype=bool).reshape(len(kinds), len(kinds)), kind


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
        self.unit = max(1.0, sum(shape.count for shape in shapes) / MOST_COUNTED)
        # Variables: how many instances; a task's variable is made below, where it fits.
        self.started = [solver.NumVar(0.0, upper(limit) / self.unit, "") for limit in market.limit]
        self.placed: dict[tuple[int, int], pywraplp.Variable] = {}
        # Each cluster is placed; each part of each type's room suffices.
        self.whole = [solver.Constraint(shape.count / self.unit, infinity) for shape in shapes]
        self.room = [[solver.Constraint(-infinity, 0.0) for _ in range(3)] for _ in market.host]
        self.quota = solver.Constraint(-infinity, min(problem.quota / MILLI / self.unit, 1e9))
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
        return np.array([started.solution_value() for started in self.started]) * self.unit

    def tasks(self) -> Floats:
        answer = np.zeros((len(self.whole), len(self.started)))
        for (c, t), variable in self.placed.items():
            answer[c, t] = max(0.0, variable.solution_value()) * self.unit
        return answer

    def prices(self) -> tuple[Floats, float]:
        """What a unit of each part of the room is worth on each type, and a vCPU of the quota."""
        value = [[max(0.0, -row.dual_value()) for row in rows] for rows in self.room]
        return np.array(value).reshape(-1, 3) / UNIT, max(0.0, -self.quota.dual_value()) / MILLI


def upper(limit: int) -> float:
    return float("inf") if limit >= UNLIMITED else float(limit)


def worths(problem: Problem, market: Market, value: Floats, quota_value: float) -> Proof:
    """What tasks cost at the least, proven by any prices `value`.

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
    return Proof(np.where(market.fits, each, np.inf).min(axis=1, initial=np.inf), rent)
