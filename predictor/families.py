"""What each job family has needed so far, kept online between two trainings."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from predictor.cost import Vector, best_margin

#: Older attempts say less than newer ones, and memory is finite.
REMEMBERED = 256
#: With fewer than this the coarser family, or the request, speaks.
ENOUGH = 3


@dataclass(slots=True)
class Series:
    """The recent values of one quantity in one family; `floor` is the highest censored one."""

    values: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    floor: float = 0.0

    def add(self, value: float) -> None:
        self.values.append(value)

    def censor(self, at_least: float) -> None:
        self.floor = max(self.floor, at_least)

    def logs(self) -> Vector:
        return np.log(np.array(self.values, dtype=np.float64))

    def quantiles(self) -> tuple[float, float]:
        """The median, and the conformal 95 % bound: rank ceil((n + 1) 0.95), beyond the most for
        small n.
        """
        logs = np.sort(self.logs())
        rank = int(np.ceil((len(logs) + 1) * 0.95))
        top = logs[rank - 1] if rank <= len(logs) else logs[-1] + 0.5 * float(np.std(logs)) + 0.02
        return float(np.exp(np.median(logs))), float(max(np.exp(top), self.floor))

    def cheapest(self, failure_weight: float) -> float:
        """The allocation of least expected cost."""
        centre = float(np.median(self.logs()))
        margin = best_margin(self.logs() - centre, failure_weight)
        return max(float(np.exp(centre + margin)), self.floor)


@dataclass(slots=True)
class Family:
    """One family's history, by target."""

    series: dict[str, Series] = field(default_factory=dict)

    def of(self, target: str) -> Series:
        return self.series.setdefault(target, Series())

    def count(self, target: str) -> int:
        return len(self.series[target].values) if target in self.series else 0


class Families:
    """All families by key."""

    def __init__(self) -> None:
        self.by_key: dict[str, Family] = {}

    def observe(self, keys: Iterable[str], target: str, value: float, censored: bool) -> None:
        for key in keys:
            series = self.by_key.setdefault(key, Family()).of(target)
            series.censor(value) if censored else series.add(value)

    def best_informed(self, keys: Iterable[str], target: str) -> tuple[str, Series] | None:
        """The finest family that has seen enough of a target."""
        for key in keys:
            family = self.by_key.get(key)
            if family is not None and family.count(target) >= ENOUGH:
                return key, family.of(target)
        return None
