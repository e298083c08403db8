"""The fractional packing made whole: each type's share is dealt out evenly over its instances.

Every instance then holds nearly the same mixture, the one that the linear programme found to fill
all parts of the room together. That works where many tasks share an instance; where few do, whole
tasks cannot follow the fractions, and the type's share is handed back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from packer.deadline import Deadline
from packer.first_fit import Groups, fitting
from packer.problem import Floats, Ints, Problem
from packer.relax import Relaxed

#: Some more instances than the fractions ask for leave fewer tasks over; the cheapest choice is
#: taken.
SLACKS = (0.0, 0.002, 0.004, 0.008)
#: What is left over costs this much more than it is worth, since it fits less well.
LEFTOVER = 1.25


def shares(relaxed: Relaxed, count: Ints) -> Ints:
    """Whole tasks of each demand on each type of the market (demands by types).

    A cluster's tasks go to its types in the programme's proportions, and so do those of each
    member, since each type counts on the cluster's mean.
    """
    answer = np.zeros((len(count), len(relaxed.market.host)), dtype=np.int64)
    for cluster, tasks in zip(relaxed.clusters, relaxed.tasks, strict=True):
        left = count[cluster.members]
        used = np.flatnonzero(tasks > 1e-9)
        for i, t in enumerate(used):
            part = tasks[t] / tasks[used[i:]].sum()
            taken = np.diff(np.rint(np.cumsum(left) * part).astype(np.int64), prepend=0)
            answer[cluster.members, t] = taken
            left = left - taken
    return answer


@dataclass(frozen=True, slots=True)
class Deal:
    """`count` tasks to deal out by a fractional packing; `worth` judges what is left over."""

    problem: Problem
    relaxed: Relaxed
    worth: Floats
    count: Ints

    def fleets(self, deadline: Deadline) -> list[Fleet] | None:
        """The tasks dealt onto whole instances of each type; what is not dealt is left over. None
        where there was no time for all of it."""
        share = shares(self.relaxed, self.count)
        market = self.relaxed.market
        used = np.flatnonzero((self.relaxed.instances >= 1) & (market.host >= 0)).tolist()
        dealt = [self.best(t, share[:, t], deadline) for t in used]
        whole = [fleet for fleet in dealt if fleet]
        return whole if len(whole) == len(dealt) else None

    def best(self, t: int, share: Ints, deadline: Deadline) -> Fleet | None:
        """The cheapest dealing of one type's share, what it leaves over counted in."""
        host, limit = int(self.relaxed.market.host[t]), int(self.relaxed.market.limit[t])
        wanted = self.relaxed.instances[t]
        sizes = {min(limit, int(wanted * (1 + slack) + 1e-6)) for slack in SLACKS}
        worth = np.where(share, self.worth, 0.0)
        price = float(self.problem.price[host])
        tried: list[tuple[float, int, Fleet]] = []
        for instances in sorted(sizes):
            # More instances than the best so far costs in all cannot be better.
            if tried and instances * price >= min(tried)[0]:
                break
            fleet = Fleet(self.problem, host, instances, share)
            if not fleet.deal_all(part_of(share, instances / wanted), deadline):
                break
            dealt = float(fleet.placed() @ worth)
            fleet.dearness = instances * price / max(dealt, 1e-12)
            cost = instances * price + LEFTOVER * (float(share @ worth) - dealt)
            tried.append((cost, instances, fleet))
        return min(tried)[2] if tried else None


def part_of(share: Ints, part: float) -> Ints:
    """So much of a share, of each demand alike, so that what is left over is as good a mixture."""
    if part >= 1:
        return share
    ends = np.rint(np.cumsum(share) * part).astype(np.int64)
    parts: Ints = np.diff(ends, prepend=0)
    return parts


class Fleet:
    """Instances of one type with tasks dealt out to them; those that are filled alike are one row.

    `dearness` is their price over what is on them is worth: 1 at the best.
    """

    def __init__(self, problem: Problem, host: int, instances: int, share: Ints) -> None:
        self.problem = problem
        self.dearness = np.inf
        # The bulkiest first: small ones then even out what these left uneven.
        there = np.flatnonzero(share)
        bulk = (problem.need[there] / np.maximum(problem.room[host], 1)).max(axis=1)
        self.demands = there[np.lexsort((there, -bulk))]
        # Each demand splits one row in two at the most.
        rows = len(there) + 1
        self.rows = 1
        self.host = np.full(rows, host)
        self.instances = np.full(rows, instances)
        self.left = np.tile(problem.room[host], (rows, 1))
        self.filled = np.zeros((rows, len(there)), dtype=np.int32)

    def deal_all(self, share: Ints, deadline: Deadline) -> bool:
        """Deal out so many tasks of each demand; whether there was time for all of them."""
        for column, demand in enumerate(self.demands.tolist()):
            if deadline.over():
                return False
            self.deal(column, demand, int(share[demand]))
        return True

    def deal(self, column: int, demand: int, tasks: int) -> None:
        """Deal tasks evenly, the odd ones to where the most is left of what they need, measured by
        how much of that is left on the average. What finds no room is not dealt."""
        rows, need = self.rows, self.problem.need[demand]
        total = int(self.instances[:rows].sum())
        each, odd = divmod(tasks, total)
        room = fitting(self.problem, demand, self.left[:rows], self.host[:rows])
        given = np.minimum(room, each)
        more = np.flatnonzero(room > each)
        if odd and len(more):
            average = self.instances[:rows] @ self.left[:rows] / total
            weight: Floats = need / np.maximum(average, 1) ** 2
            more = more[np.argsort(-(self.left[more] @ weight), kind="stable")]
            given = self.give_odd(given, more, odd)
        self.left[: self.rows] -= given[:, None] * need
        self.filled[: self.rows, column] = given

    def give_odd(self, given: Ints, rows: Ints, odd: int) -> Ints:
        """One more on `odd` instances of the rows in their order; the last of these may be
        split."""
        until = np.cumsum(self.instances[rows])
        whole = int(np.searchsorted(until, odd, side="right"))
        given[rows[:whole]] += 1
        rest = odd - (int(until[whole - 1]) if whole else 0)
        if not rest or whole == len(rows):
            return given
        self.split(int(rows[whole]), rest)
        return np.append(given, given[rows[whole]] + 1)

    def split(self, row: int, instances: int) -> None:
        new = self.rows
        self.left[new], self.filled[new] = self.left[row], self.filled[row]
        self.instances[new] = instances
        self.instances[row] -= instances
        self.rows += 1

    def placed(self) -> Ints:
        """How many tasks of each demand were dealt."""
        answer = np.zeros(len(self.problem.count), dtype=np.int64)
        answer[self.demands] = self.instances[: self.rows] @ self.filled[: self.rows]
        return answer

    def groups(self) -> Groups:
        rows, demands = self.rows, self.demands.tolist()
        answer = Groups(self.problem)
        answer.rows_made = np.column_stack([self.left, self.host, self.instances])
        for filled in self.filled[:rows]:
            there = np.flatnonzero(filled)
            tasks = filled[there].tolist()
            columns = zip(there.tolist(), tasks, strict=True)
            answer.contents.append({demands[column]: n for column, n in columns})
        answer.held = self.placed()
        return answer
