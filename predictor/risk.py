"""The price of an allocation, what a task may need given past errors, and the cheapest to give.

An attempt of need y and runtime t that is given a >= y wastes (a - y) t. One given less loses a t,
and its failure is priced at `failure_weight` times y t: the wait, and the risk of the next attempt.
This is the wastage of Witt et al. (HPCS 2019) with a price for time on top.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]

#: Widths (in log) that the upper tail of a family's errors may have, from exact to wild.
SCALES = np.geomspace(0.0003, 0.8, 14)
#: The tail is followed to this chance; beyond it a retry must do.
LEAST_CHANCE = 1e-4
#: From a kill for memory to the start of the next attempt.
LOST_S = 60.0
#: So many sizes are weighed for attempts that follow each other.
STEPS = 128
#: Points at which tails are tabulated: each scale's own exceedances of falling chance.
REACH = np.unique(np.append(np.outer(SCALES, -np.log(np.geomspace(1.0, LEAST_CHANCE, 10))), 0.0))
SURVIVAL = np.exp(-REACH[:, None] / SCALES)


@dataclass(frozen=True, slots=True)
class Price:
    """What a lost attempt costs beyond what it held: `weight` times its need, for as long as it
    runs and `lost_s` seconds more, until the kill is seen and the next attempt has started.
    """

    weight: float
    lost_s: float = 0.0

    def weights(self, runtime_s: Vector) -> Vector:
        """The weight of each task in `charge`, where only the runtime counts."""
        return self.weight * (1 + self.lost_s / runtime_s)


def charge(
    given: Vector, need: Vector, runtime_s: Vector, failure_weight: float | Vector
) -> Vector:
    """What each allocation cost, in memory x seconds; element by element."""
    enough = given >= need
    lost = given + failure_weight * need
    return np.where(enough, given - need, lost) * runtime_s


@dataclass(frozen=True)
class Outlook:
    """What the log error of the next prediction may be: sorted points and their chances."""

    points: Vector
    chances: Vector

    def quantile(self, level: float) -> float:
        """The smallest point with at least `level` of the chances at or below it."""
        place = int(np.searchsorted(self._sums, level - 1e-12))
        return float(self.points[min(place, len(self.points) - 1)])

    @cached_property
    def _sums(self) -> Vector:
        return np.cumsum(self.chances)

    def cheapest(self, failure_weight: float) -> float:
        """The margin of least expected charge."""
        return float(self.points[int(np.argmin(self._expected(failure_weight)))])

    def least_charge(self, failure_weight: float) -> float:
        """The expected charge at that margin, in proportion to the expected need."""
        expected_need = float(self.chances @ np.exp(self.points))
        return float(self._expected(failure_weight).min()) / expected_need

    def _expected(self, failure_weight: float) -> Vector:
        needs = np.exp(self.points)
        covered = np.cumsum(self.chances * needs)
        expected: Vector = needs - covered + failure_weight * (covered[-1] - covered)
        return expected

    def first_of_many(self, failure_weight: float) -> float:
        """The margin of the first of the attempts that cost least together, where each is made
        because the one before it was too little. One at a time the cheapest is ever a little more
        wherever needs differ widely: what is large is dear to cover for all, and each lost attempt
        is charged as if it were the last.
        """
        needs, covered, chances = self._steps()
        lost = failure_weight * (covered[-1] - covered)
        rest = np.zeros(len(needs))
        for step in range(len(needs) - 2, -1, -1):
            later = slice(step + 1, None)
            left, own = 1 - chances[step], covered[later] - covered[step]
            rest[step] = float((needs[later] * left - own + lost[later] + rest[later]).min())
        return float(np.log(needs[int(np.argmin(needs - covered + lost + rest))]))

    def _steps(self) -> tuple[Vector, Vector, Vector]:
        """Some of the needs, evenly in log, with the need and the chance at or below each."""
        needs = np.exp(self.points)
        reach = np.linspace(self.points[0], self.points[-1], STEPS)
        places = np.unique(np.searchsorted(self.points, reach, "right") - 1)
        return needs[places], np.cumsum(self.chances * needs)[places], self._sums[places]

    def chance_beyond(self, point: float) -> float:
        return float(self.chances[self.points > point].sum())

    def beyond(self, point: float) -> Outlook | None:
        """The outlook once the error is known to be larger than `point`; None past its end."""
        left = self.points > point
        total = float(self.chances[left].sum())
        return Outlook(self.points[left], self.chances[left] / total) if total > 0 else None


def outlook(ordered: Vector, threshold: float) -> Outlook:
    """Past log errors, sorted, as an outlook: as seen below a quantile, smooth above it.

    Above it the excess is a mixture of exponentials over `SCALES`, weighed by how well each one
    explains the excesses seen (Bayes, all scales alike before). One more excess than was seen is
    reckoned with, so that few errors leave a wide tail and many alike a narrow one.
    """
    count = len(ordered)
    split = tail_from(count, threshold)
    start = float(ordered[split])
    tail = _tail(ordered[split:] - start)
    mass = (count - split + 1) / (count + 1)
    body = np.full(split, (1 - mass) / max(split, 1))
    chances = np.concatenate([body, tail * mass])
    points = np.concatenate([ordered[:split], start + REACH])
    return Outlook(points, chances / chances.sum())


def tail_from(count: int, threshold: float) -> int:
    """The place among so many sorted errors from which on they are the tail."""
    return min(count - 1, int(count * threshold))


def _tail(excesses: Vector) -> Vector:
    """Chances of the points of `REACH`, those too small to follow set to none."""
    count, total = len(excesses) - 1, float(excesses.sum())
    fit = -count * np.log(SCALES) - total / SCALES
    weights = np.exp(fit - fit.max())
    survival = SURVIVAL @ (weights / weights.sum())
    survival[survival < LEAST_CHANCE] = 0.0
    chances: Vector = survival - np.append(survival[1:], 0.0)
    return chances
