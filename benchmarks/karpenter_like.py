"""First-fit-decreasing as Karpenter's documentation describes it, written from that description.

Pods are sorted by cpu, then memory, largest first. Each goes onto the first planned node that can
still take it; a planned node keeps all instance types that would hold what is on it, and is refined
as pods come; else a new node is planned. In the end each node becomes its cheapest type. Equal pods
are taken in one step, which changes nothing but the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from packer.catalogue import InstanceType
from packer.demand import Demand
from packer.problem import Problem, compile_problem

Numbers = npt.NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Node:
    """`instances` planned nodes with the same load; `types` says which types would hold it, and
    `room` is the most of each part that any of them has left."""

    load: Numbers
    types: npt.NDArray[np.bool_]
    instances: int
    room: Numbers

    def with_more(self, problem: Problem, k: int, tasks: int, instances: int) -> Node:
        load = self.load + problem.need[k] * tasks
        types = self.types & problem.fits[k] & (problem.room >= load).all(axis=1)
        return Node(load, types, instances, problem.room[types].max(axis=0) - load)


def cost(demands: Sequence[Demand], types: Sequence[InstanceType]) -> float:
    """USD an hour of what it would start."""
    problem = compile_problem(demands, (), types, None)
    order = np.lexsort((-problem.need[:, 2], -problem.need[:, 1], -problem.need[:, 0]))
    nodes: list[Node] = []
    for k in order.tolist():
        nodes = place(problem, nodes, k)
    return sum(node.instances * float(problem.price[node.types].min()) for node in nodes)


def place(problem: Problem, nodes: list[Node], k: int) -> list[Node]:
    """First fit of all tasks of one demand; returns the nodes then."""
    left, after = int(problem.count[k]), list(nodes)
    room = np.array([node.room for node in nodes]).reshape(-1, 3)
    shift = 0
    for i in np.flatnonzero((room >= problem.need[k]).all(axis=1)).tolist():
        each = most(problem, nodes[i], k) if left else 0
        if each:
            parts, placed = fill(problem, nodes[i], (k, each, left))
            after[i + shift : i + shift + 1] = parts
            shift += len(parts) - 1
            left -= placed
    empty = Node(np.zeros(3, dtype=np.int64), problem.fits[k], 1, problem.room.max(axis=0))
    while left:
        each = min(most(problem, empty, k), left)
        after.append(empty.with_more(problem, k, each, left // each))
        left -= each * (left // each)
    return after


def fill(problem: Problem, node: Node, wanted: tuple[int, int, int]) -> tuple[list[Node], int]:
    """Fill the node's instances one after the other: up to three nodes then, and the tasks
    placed."""
    k, each, left = wanted
    full = min(node.instances, left // each)
    odd = min(left - full * each, each) if full < node.instances else 0
    rest = node.instances - full - bool(odd)
    parts = [node.with_more(problem, k, each, full)] if full else []
    parts += [node.with_more(problem, k, odd, 1)] if odd else []
    parts += [Node(node.load, node.types, rest, node.room)] if rest else []
    return parts, full * each + odd


def most(problem: Problem, node: Node, k: int) -> int:
    """How many more the node's largest type would hold."""
    types = np.flatnonzero(node.types & problem.fits[k])
    if not len(types):
        return 0
    used = problem.need[k] > 0
    left = problem.room[types][:, used] - node.load[used]
    return max(0, int((left // problem.need[k][used]).min(axis=1).max()))
