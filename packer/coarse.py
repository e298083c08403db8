"""Fewer shapes: like ones are rounded up to one that covers them, and put back once all is
packed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from packer.first_fit import Groups
from packer.problem import UNLIMITED, Ints, Problem
from packer.shapes import clusters


@dataclass(frozen=True, slots=True)
class Coarse:
    """A problem over clusters; `members[c]` are the original's demands that cluster c covers."""

    original: Problem
    problem: Problem
    members: list[Ints]

    def counts(self, count: Ints) -> Ints:
        """Counts of the original's demands as counts of clusters."""
        return np.array([count[members].sum() for members in self.members], dtype=np.int64)


def coarsen(problem: Problem, most: int) -> Coarse:
    """About `most` shapes at the most; those whose tasks are spread out stay alone, else they could
    clash."""
    whole = np.arange(len(problem.count))
    if len(whole) <= most:
        return Coarse(problem, problem, [whole[k : k + 1] for k in whole])
    alone = problem.cap < UNLIMITED
    mask = np.column_stack([problem.fits, np.diag(alone)[:, alone]])
    found = clusters(problem.need, problem.count, mask, most)
    members = [cluster.members[np.lexsort(problem.need[cluster.members].T)] for cluster in found]
    first = [int(cluster.members[0]) for cluster in found]
    merged = replace(
        problem,
        demands=tuple(problem.demands[k] for k in first),
        need=np.array([problem.need[group].max(axis=0) for group in members]),
        count=np.array([problem.count[group].sum() for group in members]),
        cap=problem.cap[first],
        allowed=problem.allowed[first],
        fits=problem.fits[first],
    )
    return Coarse(problem, merged, members)


def refine(coarse: Coarse, groups: Groups, count: Ints) -> Groups:
    """The groups in terms of the original's demands, of which there are `count`."""
    if coarse.problem is coarse.original:
        return groups
    answer, left = Groups(coarse.original), count.copy()
    for host, instances, contents in groups.rows():
        unfold(coarse, answer, left, (host, instances, contents))
    return answer


def unfold(
    coarse: Coarse, answer: Groups, left: Ints, row: tuple[int, int, dict[int, int]]
) -> None:
    """One group, instance block by instance block: each takes the next members that are left."""
    host, instances, contents = row
    while instances:
        filled: dict[int, int] = {}
        for cluster, tasks in contents.items():
            take(left, coarse.members[cluster], tasks, filled)
        if not filled:
            return
        block = min(instances, *(1 + int(left[k]) // n for k, n in filled.items()))
        for demand, tasks in filled.items():
            left[demand] -= tasks * (block - 1)
        answer.put(host, block, filled)
        instances -= block


def take(left: Ints, members: Ints, tasks: int, filled: dict[int, int]) -> None:
    """Move `tasks` of the cluster's members from `left` into `filled`, in the members' order."""
    for demand in members[left[members] > 0]:
        taken = min(tasks, int(left[demand]))
        filled[int(demand)] = taken
        left[demand] -= taken
        tasks -= taken
        if not tasks:
            return
