"""Column generation: fillings of whole instances, priced by a linear programme, rounded by CP-SAT.

Gilmore and Gomory (1961) for many kinds of bins: the master programme buys fillings so that every
task has a place; its duals say what a task is worth; a filling that is worth more than its instance
costs comes in as a new column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from ortools.linear_solver import pywraplp

from packer.deadline import Deadline
from packer.first_fit import Groups
from packer.pricing import best_filling, fillings
from packer.problem import MILLI, UNLIMITED, Floats, Ints, Problem
from packer.proof import Proof
from packer.relax import Relaxed, undominated

#: A column must promise this much of its price, or the programme has converged.
WORTH_IT = 1e-6
#: Near enough to the bound to stop: what is left to gain is less than rounding costs.
CLOSE = 1.0005
#: How near to the guide's the tasks are valued for CP-SAT: the duals of the master alone swing
#: widely before they settle (smoothing after Wentges, 1997). The next where one finds nothing.
NEARNESS = (0.9, 0.5, 0.0)
#: Standard deviations of the noise on the tasks' worth, which makes greedy fillings differ.
NOISE = (0.0, 0.05, 0.2)
#: Rounds at the most: a limit on work keeps plans the same where the clock would not.
ROUNDS = 100


@dataclass(slots=True)
class Columns:
    """Fillings of new instances, each once; `filled` is tasks of each demand."""

    problem: Problem
    host: list[int] = field(default_factory=list)
    filled: list[Ints] = field(default_factory=list)
    seen: dict[tuple[int, bytes], int] = field(default_factory=dict)

    def add(self, host: int, filled: Ints) -> bool:
        key = (host, filled.tobytes())
        if key in self.seen or not filled.any():
            return False
        self.seen[key] = len(self.host)
        self.host.append(host)
        self.filled.append(filled)
        return True

    def add_groups(self, groups: Groups) -> None:
        """The fillings of the instances of a packing, which are all new ones."""
        for host, _, contents in groups.rows():
            self.add(host, self.dense(contents))

    def dense(self, contents: dict[int, int]) -> Ints:
        filled = np.zeros(len(self.problem.count), dtype=np.int64)
        filled[list(contents)] = list(contents.values())
        return filled

    def amounts_of(self, groups: Groups) -> dict[int, int]:
        """How often each column is in a packing whose fillings were all added."""
        amounts: dict[int, int] = {}
        for host, instances, contents in groups.rows():
            column = self.seen[host, self.dense(contents).tobytes()]
            amounts[column] = amounts.get(column, 0) + instances
        return amounts

    def usable(self, count: Ints) -> Ints:
        """The columns' tasks (columns by demands), no more of any than there are."""
        return np.minimum(np.array(self.filled).reshape(-1, len(count)), count)

    def add_worthwhile(self, fillings: Iterable[tuple[int, Ints]], solution: Solution) -> int:
        """Add those that the solution would buy; returns how many."""
        return sum(
            self.add(host, filled)
            for host, filled in fillings
            if filled @ solution.worth > solution.cost[host] * (1 + WORTH_IT)
        )

    def price(self, column: int) -> float:
        return float(self.problem.price[self.host[column]])


@dataclass(frozen=True, slots=True)
class Solution:
    """The master's answer: how much of each column, what a task is worth, what each host costs."""

    value: float
    amounts: Floats
    worth: Floats
    cost: Floats


class Master:
    """The linear programme over the columns so far; new ones may come at any time."""

    def __init__(self, columns: Columns, count: Ints) -> None:
        self.columns, self.solver = columns, pywraplp.Solver.CreateSolver("GLOP")
        problem, infinity = columns.problem, self.solver.infinity()
        self.demand = [self.solver.Constraint(float(tasks), infinity) for tasks in count]
        self.limit = {
            int(host): self.solver.Constraint(-infinity, float(problem.limit[host]))
            for host in np.flatnonzero(problem.is_new & (problem.limit < UNLIMITED))
        }
        self.quota = self.solver.Constraint(-infinity, min(problem.quota / MILLI, 1e9))
        self.bought: list[pywraplp.Variable] = []
        self.solver.Objective().SetMinimization()
        self.extend()

    def extend(self) -> None:
        """Take in the columns that came since."""
        columns, problem = self.columns, self.columns.problem
        for column in range(len(self.bought), len(columns.host)):
            host = columns.host[column]
            variable = self.solver.NumVar(0.0, self.solver.infinity(), "")
            self.bought.append(variable)
            self.solver.Objective().SetCoefficient(variable, columns.price(column))
            self.quota.SetCoefficient(variable, float(problem.room[host, 0]) / MILLI)
            if host in self.limit:
                self.limit[host].SetCoefficient(variable, 1.0)
            for demand in np.flatnonzero(columns.filled[column]):
                self.demand[demand].SetCoefficient(variable, float(columns.filled[column][demand]))

    def solve(self, seconds: float) -> Solution | None:
        self.solver.SetTimeLimit(max(1, int(seconds * 1000)))
        if self.solver.Solve() != pywraplp.Solver.OPTIMAL:
            return None
        return Solution(
            value=float(self.solver.Objective().Value()),
            amounts=np.array([variable.solution_value() for variable in self.bought]),
            worth=np.maximum([row.dual_value() for row in self.demand], 0.0),
            cost=self.costs(),
        )

    def costs(self) -> Floats:
        """What an instance of each host costs, limits and quota priced in."""
        problem = self.columns.problem
        quota = max(0.0, -self.quota.dual_value()) / MILLI
        costs = problem.price + quota * problem.room[:, 0]
        for host, row in self.limit.items():
            costs[host] += max(0.0, -row.dual_value())
        return np.asarray(costs, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Generated:
    """The last solution, and the best bound proven on the way, USD an hour; with its proof where
    that is one of the fillings'."""

    solution: Solution
    bound: float
    proof: Proof | None


def generate(columns: Columns, guide: Relaxed, seed: int, deadline: Deadline) -> Generated | None:
    """Add columns until none is worth it, the bound is reached, or time or rounds are up.

    Greedy fillings first, since they are quick; CP-SAT's where these bring no more; at last
    CP-SAT's of every host, which proves a bound. None where there was no time for a first solution.
    """
    master, random = Master(columns, columns.problem.count), np.random.default_rng(seed)
    best, solution = None, master.solve(deadline.left())
    bound, proof, steps = guide.bound, None, iter(NEARNESS)
    for _ in range(ROUNDS):
        if solution is None or deadline.over() or solution.value <= bound * CLOSE:
            break
        best = solution
        if not columns.add_worthwhile(greedy(columns, guide, solution, random), solution):
            near = next(steps, None)
            if near is None:
                priced = Pricing(columns.problem, undominated(columns.problem), solution.worth)
                found = priced.exact(deadline, gap=1e-4)
                proof = priced.proof(solution, found)
                bound = max(bound, proof.bound(columns.problem.count) if proof else 0.0)
                if not columns.add_worthwhile(fillings_of(found), solution):
                    break
            else:
                worth = near * guide.worth + (1 - near) * solution.worth
                found = Pricing(columns.problem, guide.market.host, worth).exact(deadline)
                if columns.add_worthwhile(fillings_of(found), solution):
                    steps = iter(NEARNESS)
        master.extend()
        solution = master.solve(deadline.left())
    last = solution or best
    return Generated(last, bound, proof) if last else None


def all_solved(columns: Columns, deadline: Deadline) -> Generated | None:
    """The best of all the fillings that there are, which the columns are: its value is a bound."""
    problem = columns.problem
    solution = Master(columns, problem.count).solve(deadline.left())
    if solution is None:
        return None
    proof = None
    if not (solution.cost > problem.price + 1e-12).any():
        held = np.array(columns.filled) @ solution.worth
        dearest = float((held / np.maximum(problem.price[columns.host], 1e-12)).max(initial=1.0))
        proof = Proof(solution.worth / dearest, most=ceiling(problem))
    return Generated(solution, proof.bound(problem.count) if proof else solution.value, proof)


Priced = list[tuple[int, tuple[Ints, float] | None]]


@dataclass(frozen=True, slots=True)
class Pricing:
    """The knapsacks of some hosts for one valuation of the tasks."""

    problem: Problem
    hosts: Ints
    worth: Floats

    def exact(self, deadline: Deadline, gap: float = 1e-3) -> Priced:
        """The best filling of each host, two at a time: CP-SAT leaves Python's lock."""

        def price(host: int) -> tuple[int, tuple[Ints, float] | None]:
            if deadline.over():
                return host, None
            return host, best_filling(self.problem, host, self.worth, deadline.left(), gap)

        with ThreadPoolExecutor(max_workers=2) as pool:
            return list(pool.map(price, self.hosts.tolist()))

    def proof(self, solution: Solution, found: Priced) -> Proof | None:
        """What tasks cost at the least over all columns there could be (Farley, 1990): their worth,
        scaled down until no host can hold more than it costs. None where a host was not priced, or
        where a limit or a quota has a price of its own."""
        dear = (solution.cost > self.problem.price + 1e-12).any()
        if dear or any(one is None for _, one in found):
            return None
        dearest = max(
            (one[1] / max(self.problem.price[host], 1e-12) for host, one in found if one),
            default=1.0,
        )
        return Proof(self.worth / max(1.0, dearest), most=ceiling(self.problem))


def ceiling(problem: Problem) -> Ints:
    """Up to which counts the fillings are all that there could be: more tasks than an instance
    holds change nothing."""
    most = np.full(problem.fits.shape, UNLIMITED)
    for part in range(3):
        room = problem.room[None, :, part] // np.maximum(problem.need[:, part, None], 1)
        most = np.where(problem.need[:, part, None] > 0, np.minimum(most, room), most)
    held = np.where(problem.fits, most, 0).max(axis=1, initial=0)
    enough = np.minimum(held, problem.cap) <= problem.count
    return np.where(enough, UNLIMITED, problem.count)


def fillings_of(found: Priced) -> list[tuple[int, Ints]]:
    return [(host, one[0]) for host, one in found if one]


def greedy(
    columns: Columns, guide: Relaxed, solution: Solution, random: np.random.Generator
) -> Iterator[tuple[int, Ints]]:
    """Greedy fillings of all hosts, for several valuations of the tasks around the duals."""
    for noise in NOISE:
        worth = (guide.worth + solution.worth) / 2
        worth = worth * np.exp(noise * random.standard_normal(len(worth)))
        yield from fillings(columns.problem, guide.market.host, worth)
