"""The emptiest instances packed anew, on types of other sizes.

Packings leave their last instances half empty. What is on the few that waste most is taken off and
put on others: one type after the other is filled first fit, the one that makes it cheapest together
with what is left over then.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from packer.first_fit import Groups
from packer.problem import UNLIMITED, Floats, Ints, Problem
from packer.proof import Proof
from packer.relax import undominated

#: How many instances are taken off at once; what comes out cheapest is kept.
TAKEN_OFF = (2, 4, 8)
#: So many times at the most.
ROUNDS = 4
#: So many demands together at the most: the time grows with them.
DEMANDS = 400
#: Instances come in the order in which they were filled, so the emptiest are among the last.
LOOKED_AT = 300
#: What is left over costs this much more than it is worth, since it fits less well.
LEFTOVER = 1.05


def mend(groups: Groups, proof: Proof, enough: float) -> Groups:
    """A packing of the same tasks that costs less, if one is found; no further once it is `enough`
    USD an hour. Where limits or a quota could bind, nothing is changed."""
    problem = groups.problem
    limited = (problem.limit < UNLIMITED) & problem.is_new
    if limited.any() or np.isfinite(problem.quota):
        return groups
    for _ in range(ROUNDS):
        best = groups
        for one in repacked(groups, proof.worth):
            best = min(best, one, key=Groups.cost)
            if best.cost() <= enough:
                return best
        if best.cost() >= groups.cost() - 1e-9:
            break
        groups = best
    return groups


def repacked(groups: Groups, worth: Floats) -> Iterator[Groups]:
    """The packing with some of its most wasteful instances packed anew."""
    order = wasteful(groups, worth)
    for most in TAKEN_OFF:
        taken, seen = [], set[int]()
        for row in order[:most].tolist():
            seen |= groups.contents[row].keys()
            if len(seen) > DEMANDS:
                break
            taken.append(row)
        answer = groups.less_one(taken)
        refill(answer, groups.held - answer.held, worth)
        yield answer
        if len(taken) < most:
            return


def wasteful(groups: Groups, worth: Floats) -> Ints:
    """Of the last rows with new instances, those that cost more than what is on them is worth; the
    most wasteful first."""
    problem, start = groups.problem, max(0, len(groups.contents) - LOOKED_AT)
    rows = start + np.flatnonzero(problem.is_new[groups.host[start:]])
    waste = problem.price[groups.host[rows]].copy()
    for place, row in enumerate(rows.tolist()):
        _, _, demands, tasks = groups.row(row)
        waste[place] -= worth[demands] @ tasks
    there = waste > 1e-9
    order = np.lexsort((rows[there], -waste[there]))
    answer: Ints = rows[there][order]
    return answer


def refill(groups: Groups, left: Ints, worth: Floats) -> None:
    """New instances for what was taken off such, one after the other."""
    problem, demands = groups.problem, np.flatnonzero(left)
    hosts = undominated(problem, demands)
    while len(demands):
        tail = Tail(problem, hosts, demands, left[demands])
        host, tasks = tail.cheapest(worth[demands])
        groups.buy(host, 1, (demands, tasks), left)
        demands = np.flatnonzero(left)


class Tail:
    """Some tasks that are to be placed, and each host filled with them first fit."""

    def __init__(self, problem: Problem, hosts: Ints, demands: Ints, left: Ints) -> None:
        self.problem, self.hosts, self.demands = problem, hosts, demands
        room = problem.room[hosts].T.copy()
        self.tasks = np.zeros((len(hosts), len(demands)), dtype=np.int64)
        for column, (demand, count) in enumerate(zip(demands.tolist(), left.tolist(), strict=True)):
            most = np.where(problem.allowed[demand, hosts], min(count, int(problem.cap[demand])), 0)
            need = problem.need[demand]
            for part, one in enumerate(need.tolist()):
                if one:
                    np.minimum(most, room[part] // one, out=most)
            self.tasks[:, column] = most
            room -= most * need[:, None]
        self.over = left - self.tasks

    def cheapest(self, worth: Floats) -> tuple[int, Ints]:
        """The host, and what is on it, that costs least together with what is left over then: that
        goes onto one more host, or costs a little more than it is worth."""
        problem, hosts = self.problem, self.hosts
        takes_all = hosts[problem.allowed[self.demands][:, hosts].all(axis=0)]
        rest = self.over @ problem.need[self.demands]
        holds = (rest[:, None, :] <= problem.room[takes_all]).all(axis=2)
        one_more = np.where(holds, problem.price[takes_all], np.inf).min(axis=1, initial=np.inf)
        many_more = LEFTOVER * (self.over @ worth)
        more = np.where(np.isinf(one_more), many_more, one_more)
        total = problem.price[hosts] + np.where(self.over.any(axis=1), more, 0.0)
        # Something must go onto it, or there is no end.
        best = int(np.where(self.tasks.any(axis=1), total, np.inf).argmin())
        return int(hosts[best]), self.tasks[best]
