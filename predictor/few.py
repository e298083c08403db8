"""A sweep's many sizes as few shapes, so that little is wasted.

Sizes that nearly agree are a cell. While there are more cells than shapes may be, the two are put
together that waste least by it (agglomerative, as Ward's method is with another cost).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace
from functools import reduce
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from headgate.estimate import Estimate, Quantiles
from headgate.resources import Resources
from predictor.risk import Codes, Vector
from predictor.rows import distinct
from predictor.shape import Sizes

#: Memory within this ratio is a cell's; it grows until cells are few enough to look at each pair.
FIRST_RATIO = 1.04
MOST_CELLS = 384
#: Shapes of a sweep: each is a row and a choice of lane for the broker, and a call to AWS Batch, so
#: that they have eight tasks and more in the mean, but for a few that any sweep may have.
MOST_SHAPES, FEW_SHAPES, TASKS_EACH = 32, 4, 8
#: What a GPU too many weighs, where memory or cores twice what the sweep has in the mean weigh 1.
GPU_WEIGHT = 1000.0

Matrix = npt.NDArray[np.float64]


def most_shapes(tasks: int) -> int:
    """How many shapes a sweep of so many tasks may have."""
    return max(FEW_SHAPES, min(MOST_SHAPES, tasks // TASKS_EACH))


def shapes(given: Sizes, tasks: Codes) -> Sequence[Codes]:
    """The rows by shape; `tasks` is how many each row has."""
    columns = (given.memory_mib, given.vcpu, given.gpu_mib, given.gpus)
    first, kind = distinct(columns, len(tasks))  # sizes are snapped, so that these are few
    kinds = np.column_stack([values[first] for values in columns])
    shape = _shaped(kinds, np.bincount(kind, weights=tasks).astype(np.float64))
    return _parted(shape[kind], int(shape.max(initial=-1)) + 1)


def _shaped(kinds: Matrix, tasks: Vector) -> Codes:
    """The shape of each kind of row, numbered from 0."""
    most = most_shapes(int(tasks.sum()))
    cell, count = _cells(kinds)
    if count <= most:
        return cell
    by_cell = _parted(cell, count)
    tops = np.array([kinds[places].max(axis=0) for places in by_cell])
    many = np.array([tasks[places].sum() for places in by_cell])
    return _lumps(_relative(tops, many), many, most)[cell]


def _cells(kinds: Matrix) -> tuple[Codes, int]:
    """Each kind's cell, and how many there are."""
    memory, vcpu, gpu_mib, gpus = kinds.T
    ratio = FIRST_RATIO
    while True:
        ladders = [np.round(np.log(np.maximum(v, 1.0)) / np.log(ratio)) for v in (memory, gpu_mib)]
        cores = vcpu if ratio < 2 else np.zeros_like(vcpu)
        first, cell = distinct([*ladders, cores, gpus], len(kinds))
        if len(first) <= MOST_CELLS:
            return cell, len(first)
        ratio = ratio**1.25


def _parted(group: Codes, count: int) -> Sequence[Codes]:
    """The places of each group."""
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange(count + 1))
    return [order[start:stop] for start, stop in pairwise(edges)]


def _relative(tops: Matrix, tasks: Vector) -> Matrix:
    """What cells are given by what a task is in the mean."""
    means = tasks @ tops / tasks.sum()
    weights = np.array([1.0, 1.0, 1.0, GPU_WEIGHT])
    relative: Matrix = tops * weights / np.where(means > 0, means, 1.0)
    return relative


def _lumps(tops: Matrix, tasks: Vector, most: int) -> Codes:
    """Each cell's lump, numbered from 0."""
    lump = np.arange(len(tops))
    wasted = np.array([_wasted(tops, tasks, cell) for cell in range(len(tops))])
    for _ in range(len(tops) - most):
        into, gone = divmod(int(wasted.argmin()), len(tops))
        lump[lump == gone] = into
        tops[into] = np.maximum(tops[into], tops[gone])
        tasks[into] += tasks[gone]
        more = _wasted(tops, tasks, into)
        more[~np.isfinite(wasted[into])] = np.inf  # those that are in another already
        wasted[into] = wasted[:, into] = more
        wasted[gone] = wasted[:, gone] = np.inf
    return np.unique(lump, return_inverse=True)[1]


def _wasted(tops: Matrix, tasks: Vector, cell: int) -> Vector:
    """How much more all tasks of a cell and each other would be given, were the two one; infinite
    for itself.
    """
    both = np.maximum(tops, tops[cell])
    more: Vector = tasks * (both - tops).sum(axis=1)
    more += tasks[cell] * (both - tops[cell]).sum(axis=1)
    more[cell] = np.inf
    return more


def united(told: Sequence[Estimate], tasks: Sequence[int]) -> list[tuple[Codes, Estimate]]:
    """The estimates of a sweep's parts by shape, each with the places of its parts; `tasks` is how
    many each part has.
    """
    given = [(*astuple(one.allocation), one.least_gpu_mib or 0) for one in told]
    vcpu, memory, gpus, gpu_mib = np.array(given, dtype=float).T
    family = np.zeros(len(told), dtype=np.intp)
    groups = shapes(Sizes(memory, vcpu, gpus, gpu_mib, family, {}), np.array(tasks))
    return [
        (places, _united([told[at] for at in places], [tasks[at] for at in places]))
        for places in groups
    ]


def _united(told: Sequence[Estimate], tasks: Sequence[int]) -> Estimate:
    """Enough for all of them, in the first one's words."""
    limits = [one.time_limit_s for one in told if one.time_limit_s is not None]
    gpu = [one.gpu_memory_mib for one in told if one.gpu_memory_mib is not None]
    return replace(
        told[0],
        allocation=reduce(Resources.largest, (one.allocation for one in told)),
        memory_mib=_over([one.memory_mib for one in told], tasks),
        vcpu=_over([one.vcpu for one in told], tasks),
        runtime_s=_over([one.runtime_s for one in told], tasks),
        gpu_memory_mib=_over(gpu, tasks) if len(gpu) == len(told) else None,
        least_gpu_mib=max(one.least_gpu_mib or 0 for one in told) or None,
        time_limit_s=max(limits) if len(limits) == len(told) else None,
    )


def _over(said: Sequence[Quantiles], tasks: Sequence[int]) -> Quantiles:
    """The middle of the medians, task by task; the highest bound, which holds for each."""
    medians = np.array([one.p50 for one in said])
    order = np.argsort(medians)
    up_to = np.cumsum(np.asarray(tasks)[order])
    middle = order[np.searchsorted(up_to, up_to[-1] / 2)]
    return Quantiles(float(medians[middle]), max(one.p95 for one in said))
