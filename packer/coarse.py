"""Fewer shapes: like ones are rounded up to one that covers them, and put back once all is
packed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from packer.first_fit import Groups
from packer.problem import UNLIMITED, Ints, Problem, ints
from packer.shapes import clusters


@dataclass(frozen=True, slots=True)
class Coarse:
    """A problem over clusters; `members[c]` are the original's demands that cluster c covers."""

    original: Problem
    problem: Problem
    members: list[Ints]


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


def refine(coarse: Coarse, groups: Groups) -> Groups:
    """The groups in terms of the original's demands."""
    if coarse.problem is coarse.original:
        return groups
    answer, stock = Groups(coarse.original), Stock(coarse)
    for host, instances, contents in groups.rows():
        clusters, tasks = ints(list(contents)), ints(list(contents.values()))
        left = instances
        while left:
            block, filled = stock.take(clusters, tasks, left)
            answer.put(host, block, filled)
            left -= block
    return answer


class Stock:
    """The members' tasks that are still to be handed out; each cluster's go in its own order."""

    def __init__(self, coarse: Coarse) -> None:
        sizes = ints([len(members) for members in coarse.members])
        self.left = coarse.original.count.copy()
        self.members = np.concatenate(coarse.members)
        #: Where each cluster's next member is.
        self.at = np.cumsum(sizes) - sizes

    def take(self, clusters: Ints, tasks: Ints, most: int) -> tuple[int, dict[int, int]]:
        """What is on the next instances that are alike, `most` at the most, and how many these
        are."""
        current = self.members[self.at[clusters]]
        blocks = self.left[current] // tasks
        whole = blocks > 0
        block = min(most, int(blocks.min())) if whole.all() else 1
        self.left[current[whole]] -= tasks[whole] * block
        self.at[clusters[whole]] += self.left[current[whole]] == 0
        filled = dict(zip(current[whole].tolist(), tasks[whole].tolist(), strict=True))
        # A member that does not suffice even for one instance is followed by the next.
        for cluster, wanted in zip(clusters[~whole].tolist(), tasks[~whole].tolist(), strict=True):
            self.mix(cluster, wanted, filled)
        return block, filled

    def mix(self, cluster: int, wanted: int, filled: dict[int, int]) -> None:
        while wanted:
            member = int(self.members[self.at[cluster]])
            taken = min(wanted, int(self.left[member]))
            filled[member] = taken
            self.left[member] -= taken
            self.at[cluster] += self.left[member] == 0
            wanted -= taken
