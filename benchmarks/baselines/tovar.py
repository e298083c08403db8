"""Tovar et al., A Job Sizing Strategy for High-Throughput Scientific Workflows, TPDS 2018,
equation 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.baselines.protocol import NODE_BYTES, Task


class Tovar:
    """The first allocation a of least a E[t] + a_max E[t; need > a], then the most seen, then
    one of the evaluation's nodes.
    """

    def __init__(self) -> None:
        self.needs: list[float] = []
        self.runtimes: list[float] = []

    def learn(self, task: Task, lost: Sequence[float] = ()) -> None:
        self.needs.append(task.need_bytes)
        self.runtimes.append(task.runtime_ms)

    def first(self, task: Task) -> float:
        if not self.needs:
            return task.preset_bytes
        needs, runtimes = np.asarray(self.needs), np.asarray(self.runtimes)
        values, places = np.unique(needs, return_inverse=True)
        times = np.bincount(places, weights=runtimes)
        beyond = times.sum() - np.cumsum(times)
        waste = values * times.sum() + values[-1] * beyond
        largest_first = waste[::-1]
        return float(values[::-1][int(np.argmin(largest_first))])

    def again(self, task: Task, given: float) -> float:
        most = max(self.needs, default=0.0)
        return most if given < most else max(NODE_BYTES, 2 * given)
