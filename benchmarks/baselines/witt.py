"""Witt et al., Feedback-Based Resource Allocation for Batch Scheduling of Scientific
Workflows, HPCS 2019.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.baselines.protocol import Task


class WittPercentile:
    """The 95th percentile of what was seen; doubles after a failure."""

    def __init__(self) -> None:
        self.needs: list[float] = []

    def learn(self, task: Task, lost: Sequence[float] = ()) -> None:
        self.needs.append(task.need_bytes)

    def first(self, task: Task) -> float:
        return float(np.percentile(self.needs, 95)) if self.needs else task.preset_bytes

    def again(self, task: Task, given: float) -> float:
        return 2 * given


class WittRegression:
    """Least squares on the input size, enlarged by the spread of its own relative errors so far;
    doubles.

    `under` takes the spread of the under-predictions alone (LR mean+- and mean- of the paper).
    `errors` can be shared: the published run keeps one list for all processes and both variants
    of a workflow, and only so are its figures met. As published, an error is booked when the
    prediction is made.
    """

    def __init__(self, under: bool, errors: list[float] | None = None) -> None:
        self.under = under
        self.errors: list[float] = [] if errors is None else errors
        self.inputs: list[float] = []
        self.needs: list[float] = []

    def learn(self, task: Task, lost: Sequence[float] = ()) -> None:
        self.inputs.append(task.input_bytes)
        self.needs.append(task.need_bytes)

    def first(self, task: Task) -> float:
        if not self.needs:
            return task.preset_bytes
        line = self._line(task.input_bytes)
        given = line * (1 + self._offset())
        self.errors.append((task.need_bytes - line) / task.need_bytes)
        return given

    def again(self, task: Task, given: float) -> float:
        return max(self.needs) if given <= 0 else 2 * given

    def _line(self, input_bytes: float) -> float:
        x, y = np.asarray(self.inputs), np.asarray(self.needs)
        centred = x - x.mean()
        spread = float(centred @ centred)
        slope = float(centred @ (y - y.mean())) / spread if spread > 0 else 0.0
        return float(y.mean()) + slope * (input_bytes - float(x.mean()))

    def _offset(self) -> float:
        errors = np.asarray(self.errors)
        kept = errors[errors > 0] if self.under else errors
        return float(kept.std()) if len(kept) else 0.0
