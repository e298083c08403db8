"""Small problems whole: every filling of every host, so that the best choice of them is the
optimum."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from packer.columns import Columns
from packer.deadline import Deadline
from packer.problem import Ints, Problem
from packer.relax import undominated

#: Beyond so many steps for one host, or fillings of all, the problem is not small.
STEPS = 20_000
MOST = 20_000
#: So few shapes may have few enough fillings that their linear programme is quick, whatever the
#: counts.
SHAPES = 12
FEW = 6_000


def every_column(problem: Problem, deadline: Deadline, most: int = MOST) -> Columns | None:
    """All maximal fillings of all hosts worth having; None where there are too many of them, or no
    time."""
    columns = Columns(problem)
    for host in undominated(problem).tolist():
        if deadline.over():
            return None
        for filled in maximal(problem, host):
            if filled is None or len(columns.host) > most:
                return None
            columns.add(host, filled)
    return columns


def few_columns(problem: Problem, deadline: Deadline) -> Columns | None:
    """The same where the shapes are few."""
    if np.count_nonzero(problem.count) > SHAPES:
        return None
    return every_column(problem, deadline, FEW)


def maximal(problem: Problem, host: int) -> Iterator[Ints | None]:
    """The fillings of one host to which no task can be added; None at the end where there are too
    many steps to them all."""
    demands = np.flatnonzero(problem.fits[:, host] & (problem.count > 0)).tolist()
    need = [problem.need[k].tolist() for k in demands]
    most = np.minimum(problem.count, problem.cap)[demands].tolist()
    stack: list[tuple[list[int], list[int]]] = [([], problem.room[host].tolist())]
    for _ in range(STEPS):
        if not stack:
            return
        tasks, left = stack.pop()
        at = len(tasks)
        if at == len(demands):
            full = all(
                have == limit or fit(one, left) == 0
                for have, limit, one in zip(tasks, most, need, strict=True)
            )
            if full:
                filled = np.zeros(len(problem.count), dtype=np.int64)
                filled[demands] = tasks
                yield filled
            continue
        top = min(most[at], fit(need[at], left))
        # Of the last demand nothing less than all that fits is maximal.
        for n in range(top if at == len(demands) - 1 else 0, top + 1):
            rest = [have - one * n for have, one in zip(left, need[at], strict=True)]
            stack.append(([*tasks, n], rest))
    yield None


def fit(need: list[int], left: list[int]) -> int:
    """How many tasks go into what is left."""
    return min(have // one for have, one in zip(left, need, strict=True) if one)
