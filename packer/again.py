"""The next cycle: the plan before, with what is gone taken out and what is new put in.

What a plan learnt is its packing and its proofs. Both hold for other counts: instances stay legal
tasks go, and no instance is ever worth more than it costs. So what changed is all that has to be
looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from packer.first_fit import Groups, complete
from packer.memory import Memory, affordable
from packer.mend import mend
from packer.problem import Ints, Problem
from packer.swap import parts_of, swap
from packer.trim import trim

#: A plan made again may be this much further from its bound than the last that was made afresh;
#: else a fresh one is made.
DRIFT = 0.002
#: Further than this, and it is mended first.
LOOSE = 0.001


def again(memory: Memory) -> Groups | None:
    """The packing that is remembered, put to its problem's counts; None where not all of it finds
    room so."""
    problem = memory.problem
    groups, settled = exchanged(memory.groups)
    extended(groups, settled)
    if (groups.held < problem.count).any():
        return None
    trim(groups, settled)
    proof = memory.best_proof()
    return mend(groups, proof, proof.bound(problem.count) * (1 + memory.fresh_gap + LOOSE))


def has_drifted(memory: Memory) -> bool:
    """Whether a plan made again is so far from its bound that a fresh one should do better."""
    return memory.groups.cost() > memory.bound() * (1 + memory.fresh_gap + DRIFT)


def exchanged(groups: Groups) -> tuple[Groups, int]:
    """The packing without the tasks that are more than there are, others in their places where they
    fit; and how many of its rows are as they were, which come first."""
    count, held = groups.problem.count, groups.held
    lost = dict(losses(groups, np.maximum(held - count, 0)))
    parts = [part for row in sorted(lost) for part in parts_of(groups, row, lost[row])]
    left = np.maximum(count - held, 0)
    swapped = swap(groups, parts, left, largest_first(groups.problem, left))
    answer = groups.exchange(parts, sorted(lost), np.minimum(held, count) + swapped)
    return answer, len(groups.contents) - len(lost)


def losses(groups: Groups, surplus: Ints) -> Iterator[tuple[int, dict[int, int]]]:
    """Which rows lose how many of which demands.

    The last instances lose theirs first: they fill what the others left over, so they are the least
    efficient; and all losses come together, so that room for others appears in few places.
    """
    there = np.flatnonzero(surplus).tolist()
    left = dict(zip(there, surplus[there].tolist(), strict=True))
    for row in range(len(groups.contents) - 1, -1, -1):
        if not left:
            return
        contents = groups.contents[row]
        common = contents.keys() & left.keys()
        if common:
            instances = int(groups.instances[row])
            lost = {demand: min(left[demand], contents[demand] * instances) for demand in common}
            yield row, lost
            for demand, tasks in lost.items():
                left[demand] -= tasks
                if not left[demand]:
                    del left[demand]


def extended(groups: Groups, settled: int) -> None:
    """Give a place to all tasks that have none: in the holes behind the settled rows, in fillings
    that are known to be good, then first fit."""
    problem = groups.problem
    left = problem.count - groups.held
    order = largest_first(problem, left)
    for demand in order.tolist():
        left[demand] = groups.place(demand, int(left[demand]), settled)
    there = set(np.flatnonzero(left).tolist())
    for row in range(len(groups.contents) if there else 0):
        if groups.contents[row].keys() <= there:
            repeat(groups, row, left)
    complete(groups, left, order)


def largest_first(problem: Problem, left: Ints) -> Ints:
    there = np.flatnonzero(left)
    size = (problem.need[there] / problem.room.max(axis=0, initial=1)).sum(axis=1)
    return there[np.argsort(-size, kind="stable")]


def repeat(groups: Groups, row: int, left: Ints) -> None:
    """As many more instances like those of the row as there are tasks to fill them."""
    host, contents = int(groups.host[row]), groups.contents[row]
    wanted = min((int(left[demand]) // tasks for demand, tasks in contents.items()), default=0)
    if wanted and groups.problem.is_new[host]:
        _, _, demands, tasks = groups.row(row)
        groups.buy(host, min(wanted, affordable(groups, host)), (demands, tasks), left)
