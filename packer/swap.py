"""Tasks that came take the places of tasks that went.

Most of a re-plan is that: in a sweep as in a queue, what comes is much like what goes. A look-up by
size is all that it takes; what finds no such place is packed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

import numpy as np

from packer.first_fit import Groups, Part
from packer.problem import UNLIMITED, Ints

#: How many places are looked at for one demand in vain.
TRIES = 16


def parts_of(groups: Groups, row: int, lost: dict[int, int]) -> Iterator[Part]:
    """The row's instances by what they lose: the first ones all, so that the others stay whole."""
    contents, left = groups.contents[row], int(groups.instances[row])
    while left and lost:
        less = {demand: min(contents[demand], tasks) for demand, tasks in lost.items()}
        alike = min(left, *(lost[demand] // tasks for demand, tasks in less.items()))
        yield Part(row, alike, {demand: -tasks for demand, tasks in less.items()})
        lost = {
            demand: rest
            for demand, tasks in less.items()
            if (rest := lost[demand] - tasks * alike) > 0
        }
        left -= alike
    if left:
        yield Part(row, left, {})


def swap(groups: Groups, parts: list[Part], left: Ints, order: Ints) -> Ints:
    """Give tasks of `left` the places that the parts lost, in that order of demands; returns how
    many of each got one. Instances that lost all they had are not filled again: they cost nothing
    then."""
    problem, places, placed = groups.problem, Places(groups, parts), np.zeros_like(left)
    for demand in order.tolist():
        if problem.cap[demand] >= UNLIMITED:
            placed[demand] = places.take(demand, int(left[demand]))
    return placed


def any_left(contents: dict[int, int], change: dict[int, int]) -> bool:
    return any(tasks + change.get(demand, 0) for demand, tasks in contents.items())


class Places:
    """What was lost, by the vCPUs and GPUs of the tasks that went, and by their memory."""

    def __init__(self, groups: Groups, parts: list[Part]) -> None:
        self.groups, self.parts = groups, parts
        self.need = groups.problem.need.tolist()
        self.free: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        for number, part in enumerate(parts):
            if part.change and any_left(groups.contents[part.row], part.change):
                for demand, less in part.change.items():
                    vcpu, memory, gpus = self.need[demand]
                    self.free.setdefault((vcpu, gpus), []).append((memory, number, -less))
        for places in self.free.values():
            places.sort()

    def take(self, demand: int, count: int) -> int:
        """Put up to `count` tasks where they fit most tightly; returns how many."""
        vcpu, memory, gpus = self.need[demand]
        places, taken, vain = self.free.get((vcpu, gpus), []), 0, 0
        at = bisect_left(places, (memory,))
        while taken < count and at < len(places) and vain < TRIES:
            room, number, free = places[at]
            part = self.parts[number]
            each = min(free, (count - taken) // part.instances)
            if not each or not self.allowed(demand, part.row):
                at, vain = at + 1, vain + 1
                continue
            part.change[demand] = part.change.get(demand, 0) + each
            taken += each * part.instances
            if each == free:
                del places[at]
            else:
                places[at] = (room, number, free - each)
        return taken

    def allowed(self, demand: int, row: int) -> bool:
        return bool(self.groups.problem.allowed[demand, self.groups.host[row]])
