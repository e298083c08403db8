"""SUBMITTED -> PENDING or RUNNABLE: every group gets its shape; sweeps are split into a few."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from queue_broker.core.forecast import Forecaster
from queue_broker.ports import CycleStore
from queue_broker.records import Group, Split, Tasks

#: A sweep's parameters by name, a value a task; None when its tasks are told apart by index alone.
Columns = Callable[[Group], Mapping[str, npt.NDArray[Any]] | None]


@dataclass(frozen=True, slots=True)
class Estimating:
    """Gives estimates to what was submitted. `modes` says what each tier leans to."""

    store: CycleStore
    forecaster: Forecaster
    columns: Columns
    modes: Mapping[str, str]

    def run(self, limit: int) -> int:
        """One bounded pass; returns how many groups were estimated."""
        groups = self.store.submitted(limit)
        singles = [group for group in groups if not group.array]
        sweeps = [group for group in groups if group.array]
        done = self.store.estimated(self._singles(singles)) if singles else []
        for sweep in sweeps:
            done += self.store.estimated([(sweep, self._splits(sweep))])
        return sum(done)

    def _singles(self, groups: Sequence[Group]) -> list[tuple[Group, list[Split]]]:
        modes = [self._mode(group) for group in groups]
        estimates = self.forecaster.estimate([group.job for group in groups], modes)
        pairs = zip(groups, estimates, strict=True)
        return [(group, [Split(group.waiting, estimate)]) for group, estimate in pairs]

    def _splits(self, group: Group) -> list[Split]:
        parts = self.forecaster.estimate_sweep(
            group.job, self.columns(group), group.size, self._mode(group)
        )
        splits = [Split(Tasks(indexes) & group.waiting, estimate) for indexes, estimate in parts]
        return [split for split in splits if split.tasks]

    def _mode(self, group: Group) -> str:
        return self.modes.get(group.tier, "cost")
