"""The price of an allocation, and the allocation of least expected price.

An attempt of need y and runtime t that is given a >= y wastes (a - y) t. One that is given less
loses a t, plus what it is worth not to fail: `failure_weight` times y t (the wait, and the attempt
that must follow it). This is the wastage of Witt et al. (HPCS 2019) and Sizey with a price for
time on top.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


def charge(given: Vector, need: Vector, runtime_s: Vector, failure_weight: float) -> Vector:
    """What each allocation cost, in memory x seconds; element by element."""
    enough = given >= need
    lost = given + failure_weight * need
    return np.where(enough, given - need, lost) * runtime_s


def best_margin(residuals: Vector, failure_weight: float) -> float:
    """The log margin of least expected cost over past log residuals (log need - log predicted).

    The next residual may pass all that were seen: with n seen, it does so with a chance of 1 / (n
    + 1), by an exponential excess as wide as the upper half of those seen. That tail is what keeps
    small families safe.
    """
    sample = np.sort(residuals)
    outcomes, weights = _with_tail(sample)
    grid = outcomes[len(sample) // 2 :]
    needs = np.exp(outcomes)
    costs = [_expected(np.exp(margin), needs, weights, failure_weight) for margin in grid]
    return float(grid[int(np.argmin(costs))])


def _with_tail(sample: Vector) -> tuple[Vector, Vector]:
    """The sorted sample and a few points of the tail beyond it, with their weights."""
    count = len(sample)
    upper = sample[count // 2 :]
    spread = max(float(sample[-1] - upper.mean()), 0.02)
    places = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    tail = sample[-1] - spread * np.log1p(-places)
    weights = np.concatenate([np.full(count, 1.0), np.full(len(places), 1.0 / len(places))])
    return np.concatenate([sample, tail]), weights / weights.sum()


def _expected(given: float, needs: Vector, weights: Vector, failure_weight: float) -> float:
    ones = np.ones_like(needs)
    return float(weights @ charge(np.full_like(needs, given), needs, ones, failure_weight))
