"""Room kept for the first tier's next arrivals, foretold by hour and weekday. Pure but for its
memory of arrivals.

What is foretold is the most tasks that arrive within one promise (later ones find what ended
meanwhile), as a quantile over the like hours of the past; the room is that many tasks of the
tier's mean shape. When few are expected it shrinks, and the sweeps have it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from headgate.resources import Resources
from queue_broker.core.amounts import Amount, resources

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
#: The like hours of so many weeks are remembered.
MEMORY_H = 6 * 7 * 24
#: Before that much history, the latest hours speak for the next.
ENOUGH_H = 48


@dataclass(slots=True)
class Headroom:
    """`quantile` of the foretold peaks is kept, never more than `most_share` of the fleet."""

    quantile: float = 0.9
    most_share: float = 0.01
    promise_s: float = 30.0
    peaks: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=MEMORY_H))
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    seen: int = 0
    _slot: int = -1  #: the promise-long stretch that is being counted
    _count: int = 0
    _hour: int = -1
    _peak: int = 0
    _recent: tuple[int, float] = (0, 0.0)  #: of so many hours, where there are few
    _foretold: dict[int, float] = field(default_factory=dict)
    _fitted_day: int = -1

    def arrived(self, each: Amount, tasks: int, at_s: float) -> None:
        """So many tasks of the first tier arrived, in the order of time."""
        self.advance(at_s)
        self._count += tasks
        self._peak = max(self._peak, self._count)
        self.seen += tasks
        weight = min(1.0, max(tasks / self.seen, 0.01))
        old = self.mean
        new = (each.mcpu, each.mib, each.gpus)
        self.mean = (
            old[0] + weight * (new[0] - old[0]),
            old[1] + weight * (new[1] - old[1]),
            old[2] + weight * (new[2] - old[2]),
        )

    def advance(self, now_s: float) -> None:
        """Close the stretches and hours that are over, empty hours too."""
        slot, hour = int(now_s // self.promise_s), int(now_s // HOUR_S)
        if slot != self._slot:
            self._slot, self._count = slot, 0
        if self._hour < 0:
            self._hour = hour
        if hour > self._hour:
            self.peaks.append((self._hour, self._peak))
            self.peaks.extend((empty, 0) for empty in range(max(self._hour + 1, hour - 168), hour))
            self._hour, self._peak = hour, 0

    def keep(self, now_s: float, fleet: Amount) -> Resources:
        """What to keep free now, beside what the first tier holds."""
        self.advance(now_s)
        each = Amount(*(round(part) for part in self.mean))
        if not self.seen or not any(each):
            return Resources()
        most = int(self.most_share / each.share(fleet)) if each.share(fleet) else 0
        tasks = min(most, int(np.ceil(self.foretell(now_s))) if most else 0)
        return resources(Amount().plus(each, tasks))

    def foretell(self, now_s: float) -> float:
        """The peak of arrivals to be ready for in this hour."""
        if not self.peaks:
            return float(self._peak)
        if len(self.peaks) < ENOUGH_H:
            if self._recent[0] != len(self.peaks):
                peaks = [peak for _, peak in self.peaks]
                self._recent = len(peaks), float(np.quantile(peaks, self.quantile))
            return self._recent[1]
        hour = int(now_s // HOUR_S)
        if hour // 24 != self._fitted_day:
            self._fitted_day = hour // 24
            self._foretold = self.fit(hour)
        return self._foretold.get(hour, 0.0)

    def fit(self, hour: int) -> dict[int, float]:
        """The next two days by the hour, from a quantile regression (Koenker and Bassett 1978)."""
        from sklearn.linear_model import QuantileRegressor

        model = QuantileRegressor(quantile=self.quantile, alpha=0.0, fit_intercept=False)
        hours = np.array([at for at, _ in self.peaks], dtype=np.int64)
        model.fit(calendar(hours), np.array([peak for _, peak in self.peaks], dtype=float))
        ahead = np.arange(hour, hour + 48, dtype=np.int64)
        foretold = np.maximum(model.predict(calendar(ahead)), 0.0)
        return dict(zip(ahead.tolist(), foretold.tolist(), strict=True))


def calendar(hours: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Each hour of the day and each day of the week but one as a column of its own: their effects
    add up. (The Unix epoch began on a Thursday; a day that none is like is like Sunday.)"""
    hour = np.eye(24)[hours % 24]
    day = np.eye(7)[(hours // 24 + 3) % 7]
    return np.hstack([hour, day[:, :6]])
