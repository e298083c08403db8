"""The next cycle: the plan before, filled with what waits now.

What a plan learnt is its fillings and its prices. The fillings are bought again as far as there are
tasks for them; the prices prove a bound for any demand, since no instance is worth more than it
costs.
"""

from __future__ import annotations

import numpy as np

from packer.first_fit import Groups, complete
from packer.plan import Plan
from packer.problem import UNLIMITED, Problem
from packer.relax import proven_by
from packer.trim import trim

#: A plan made again may be this much further from its bound than the one before, else a fresh one
#: is made: about what a hundredth of the demand costs when it is placed first-fit.
DRIFT = 0.002


def again(problem: Problem, warm: Plan) -> tuple[Groups, float] | None:
    """The plan before put to the new demand, and its bound; None where a fresh plan should do
    better."""
    groups = refill(problem, warm)
    placed = groups.placed()
    if (placed < problem.count).any():
        return None
    bound = proven_by(problem, placed, warm.prices)
    good = groups.cost() <= bound * (1 + warm.fresh_gap + DRIFT)
    return (groups, bound) if good else None


def refill(problem: Problem, warm: Plan) -> Groups:
    """The bins first-fit, the plan's new instances as far as their tasks are still there, and the
    rest first-fit into and beside them."""
    groups, left = Groups(problem), problem.count.copy()
    for host in np.flatnonzero(~problem.is_new).tolist():
        groups.open(host, 1)
    if len(groups.host):
        left = np.array([groups.place(demand, int(n)) for demand, n in enumerate(left)])
    index = {demand.key: k for k, demand in enumerate(problem.demands)}
    hosts = {host.key: h for h, host in enumerate(problem.hosts) if problem.is_new[h]}
    for placement in warm.placements:
        if not placement.is_new or placement.host not in hosts:
            continue
        host = hosts[placement.host]
        contents = {index[key]: tasks for key, tasks in placement.contents.items() if key in index}
        if contents and legal(problem, host, contents):
            filled = np.zeros(len(left), dtype=np.int64)
            filled[list(contents)] = list(contents.values())
            groups.buy(host, min(placement.instances, affordable(groups, host)), filled, left)
    complete(groups, left)
    return trim(groups)


def legal(problem: Problem, host: int, contents: dict[int, int]) -> bool:
    """Whether a filling still keeps every rule: shapes and constraints may have changed."""
    demands, tasks = list(contents), np.array(list(contents.values()))
    return bool(
        problem.allowed[demands, host].all()
        and (tasks @ problem.need[demands] <= problem.room[host]).all()
        and (tasks <= problem.cap[demands]).all()
    )


def affordable(groups: Groups, host: int) -> int:
    """How many more instances limit and quota allow."""
    problem = groups.problem
    if problem.limit[host] >= UNLIMITED and np.isinf(problem.quota):
        return UNLIMITED
    rest = problem.after(groups.host, groups.instances, problem.count)
    within = rest.quota // max(1, int(rest.room[host, 0]))
    return int(max(0, min(rest.limit[host], within)))
