"""What people do without a predictor: the workflow's own request, or the most that was seen
so far.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.baselines.protocol import Task


class Presets:
    """The workflow's request. Its authors chose it to be enough; where it is not, it doubles."""

    def learn(self, task: Task, lost: Sequence[float] = ()) -> None:
        pass

    def first(self, task: Task) -> float:
        return task.preset_bytes

    def again(self, task: Task, given: float) -> float:
        return 2 * given


class MostSeen:
    """The most that the process has needed, and 5 % on top; doubles after a failure."""

    def __init__(self, margin: float = 1.05) -> None:
        self.margin = margin
        self.most = 0.0

    def learn(self, task: Task, lost: Sequence[float] = ()) -> None:
        self.most = max(self.most, task.need_bytes)

    def first(self, task: Task) -> float:
        return self.margin * self.most or task.preset_bytes

    def again(self, task: Task, given: float) -> float:
        return 2 * given
