"""Robust least squares with each row's left-out prediction, and lines on one input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from predictor.risk import Vector

#: A line is not believed beyond this many times the most that was seen (in log), nor below the
#: least: a need has a floor (the program itself), and where it lies is seen too late, by kills.
ABOVE = np.log(32.0)
#: Huber's constant (95 % efficient on normal errors), and the MAD's factor to a standard deviation.
HUBER, MAD = 1.345, 1.4826
ROUNDS = 3


def logged(values: Vector) -> Vector:
    """Log where it fits, with sign and zero kept."""
    return np.sign(values) * np.log1p(np.abs(values))


def robust(
    design: Vector, y: Vector, weights: Vector, ridge: float = 1e-6
) -> tuple[Vector, Vector]:
    """Huber's regression by reweighting: the solution, and each row predicted with it left out.

    The first column of `design` is the constant and is not ridged. Left-out predictions are the
    exact ones of weighted least squares (PRESS, Allen 1974), with the weights held.
    """
    start = weights
    for _ in range(ROUNDS):
        weighted = design * weights[:, None]
        gram = weighted.T @ design
        places = np.arange(1, len(gram))
        gram[places, places] *= 1 + ridge
        gram[np.diag_indices(len(gram))] += 1e-12 * float(np.trace(gram))
        inverse = np.linalg.inv(gram)
        solution = inverse @ (weighted.T @ y)
        errors = y - design @ solution
        leverage = np.minimum(((design @ inverse) * weighted).sum(axis=1), 0.95)
        scaled = np.abs(errors) * np.sqrt(start)
        middle = float(np.partition(scaled, len(scaled) // 2)[len(scaled) // 2])
        width = HUBER * MAD * middle + 1e-12
        weights = start * np.minimum(1.0, width / np.maximum(scaled, 1e-300))
    return solution, y - errors / (1 - leverage)


@dataclass(frozen=True, slots=True)
class Line:
    """A fitted line on one input: in log (a power law) or as it is; bent at `knot` if there
    is one.
    """

    solution: Vector
    scale: float
    knot: float | None
    logarithmic: bool
    low: float
    high: float
    errors: Vector

    @classmethod
    def of(cls, logs: Vector, x: Vector, logarithmic: bool, bend: float | None) -> Self:
        """The line of log need on x; `bend` is the quantile of x where it may change its slope."""
        low, high = float(logs.min()), float(logs.max() + ABOVE)
        shaped = logged(x) if logarithmic else x
        scale = float(np.abs(shaped).max()) or 1.0
        knot = None if bend is None else float(np.quantile(shaped / scale, bend))
        y = logs if logarithmic else np.exp(logs - low)
        weights = np.ones_like(y) if logarithmic else 1.0 / y**2
        solution, left_out = robust(_design(shaped / scale, knot), y, weights)
        empty = cls(solution, scale, knot, logarithmic, low, high, left_out)
        return cls(solution, scale, knot, logarithmic, low, high, logs - empty._to_log(left_out))

    def centre(self, x: Vector) -> Vector:
        shaped = logged(x) if self.logarithmic else x
        return self._to_log(_design(shaped / self.scale, self.knot) @ self.solution)

    def _to_log(self, values: Vector) -> Vector:
        logs = values if self.logarithmic else self.low + np.log(np.maximum(values, 1.0))
        return np.minimum(np.maximum(logs, self.low), self.high)  # np.clip takes twice as long


def _design(x: Vector, knot: float | None) -> Vector:
    columns = [np.ones_like(x), x]
    if knot is not None:
        columns.append(np.maximum(0.0, x - knot))
    return np.column_stack(columns)
