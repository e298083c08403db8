"""From fractions of columns to whole instances: the whole parts as they are, the rest by CP-SAT."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from ortools.sat.python import cp_model

from packer.columns import Columns, Master, Solution
from packer.deadline import Deadline
from packer.first_fit import Groups, complete
from packer.pricing import fillings
from packer.problem import UNLIMITED, Ints, Problem

#: Prices in whole hundredths of a micro-dollar an hour.
FINE = 10**8
#: More columns than this do not help CP-SAT in the time it has.
MOST_COLUMNS = 600
#: Columns of least reduced cost that are tried before all that could be better.
LIKED = 60
#: CP-SAT's work on one rounding, in its deterministic seconds: the same input, the same answer.
WORK = 0.5


def whole_part(columns: Columns, solution: Solution) -> tuple[Groups, Ints]:
    """The instances that the solution buys whole, and the counts that are left."""
    groups = Groups(columns.problem)
    amounts = np.floor(solution.amounts + 1e-6).astype(np.int64)
    left = buy(groups, columns, amounts, columns.problem.count)
    return groups, left


def cover(
    columns: Columns, rest: Problem, solution: Solution, known: Groups, deadline: Deadline
) -> Groups | None:
    """A cheaper packing of the rest than `known`, bought from the columns; None where none was
    found.

    Every host's fillings with the few tasks that are left join the columns, and so do the known
    ones, which CP-SAT starts from.
    """
    hosts = np.flatnonzero(rest.is_new & (rest.limit > 0))
    for host, filled in fillings(rest, hosts, solution.worth):
        columns.add(host, filled)
    columns.add_groups(known)
    usable = columns.usable(rest.count)
    regret = rest.price[columns.host] - usable @ solution.worth
    order = np.lexsort((np.arange(len(regret)), regret))
    holding = order[usable[order].sum(axis=1) > 0]
    started = columns.amounts_of(known)
    used = np.array(sorted({*holding[:MOST_COLUMNS].tolist(), *started}), dtype=np.int64)
    chosen = choose(columns, rest, used, started, deadline)
    return bought(columns, rest, chosen.amounts) if chosen else None


def optimum(columns: Columns, known: Groups, deadline: Deadline) -> tuple[Groups, float] | None:
    """The best choice of all the columns, and a bound on every choice; None where there was no time
    for one.

    Which columns can be in a better choice than the best so far is known from their reduced costs:
    at first the few that the linear programme likes best, then all that are left in question.
    """
    columns.add_groups(known)
    problem, started = columns.problem, columns.amounts_of(known)
    solution = Master(columns, problem.count).solve(deadline.left())
    if solution is None:
        return None
    regret = solution.cost[columns.host] - columns.usable(problem.count) @ solution.worth
    best, bound = known, solution.value
    for most in (LIKED, len(regret)):
        possible = np.flatnonzero(regret <= best.cost() - solution.value + 1e-9)
        used = possible[np.argsort(regret[possible], kind="stable")][:most]
        used = np.union1d(used, list(started))
        chosen = choose(columns, problem, used, started, deadline)
        if chosen is None:
            break
        found = bought(columns, problem, chosen.amounts)
        if found.cost() < best.cost():
            best, started = found, chosen.started
        if len(used) >= len(possible):
            bound = max(bound, min(chosen.bound, best.cost()))
            break
    return best, bound


def bought(columns: Columns, problem: Problem, amounts: Ints) -> Groups:
    groups = Groups(problem)
    complete(groups, buy(groups, columns, amounts, problem.count))
    return groups


@dataclass(frozen=True, slots=True)
class Choice:
    """How many of each column, and what any choice of them costs at the least, USD an hour."""

    amounts: Ints
    bound: float

    @property
    def started(self) -> dict[int, int]:
        """As a start for the next choice."""
        return {c: int(self.amounts[c]) for c in np.flatnonzero(self.amounts).tolist()}


def choose(
    columns: Columns, rest: Problem, used: Ints, started: dict[int, int], deadline: Deadline
) -> Choice | None:
    """How many of each of the `used` columns cover the rest at least cost, from `started` on."""
    # Data
    tasks = columns.usable(rest.count)[used]
    host = np.array(columns.host)[used]
    # Variables
    model = cp_model.CpModel()
    bought = [model.new_int_var(0, int(rest.count.sum()), "") for _ in used]
    for column, variable in zip(used.tolist(), bought, strict=True):
        model.add_hint(variable, started.get(column, 0))
    # Every task has a place.
    for k in np.flatnonzero(rest.count):
        held = cp_model.LinearExpr.weighted_sum(bought, tasks[:, k].tolist())
        model.add(held >= int(rest.count[k]))
    # Limits and the quota hold.
    for one in np.unique(host):
        if rest.limit[one] < UNLIMITED:
            same = [bought[i] for i in np.flatnonzero(host == one)]
            model.add(cp_model.LinearExpr.sum(same) <= int(rest.limit[one]))
    if np.isfinite(rest.quota):
        vcpu = cp_model.LinearExpr.weighted_sum(bought, rest.room[host, 0].tolist())
        model.add(vcpu <= int(rest.quota))
    # Objective
    price = np.rint(rest.price[host] * FINE).astype(np.int64)
    model.minimize(cp_model.LinearExpr.weighted_sum(bought, price.tolist()))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    # All of it goes into the linear relaxation, which is nearly tight for covers: without, the
    # search is a hundred times slower.
    solver.parameters.linearization_level = 2
    solver.parameters.max_deterministic_time = WORK
    solver.parameters.max_time_in_seconds = deadline.left()
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    chosen = np.zeros(len(columns.host), dtype=np.int64)
    chosen[used] = [solver.value(variable) for variable in bought]
    # Each price was rounded by half of the unit at the most.
    slack = (float(chosen.sum()) + 1) / 2
    return Choice(chosen, max(0.0, (solver.best_objective_bound - slack) / FINE))


def buy(groups: Groups, columns: Columns, amounts: Ints, count: Ints) -> Ints:
    """Open the instances of each column and fill them as far as there are tasks; returns the
    rest."""
    left = count.copy()
    for column in np.flatnonzero(amounts).tolist():
        there = np.flatnonzero(columns.filled[column])
        filled = (there, columns.filled[column][there])
        groups.buy(columns.host[column], int(amounts[column]), filled, left)
    return left


def cheapest(found: Iterable[Groups]) -> Groups:
    """The packing that places most, and among these costs least; the first of equals."""
    return min(found, key=lambda groups: (-int(groups.placed().sum()), groups.cost()))
