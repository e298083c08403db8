"""The trained model: LightGBM quantile boosters by target, calibrated so that their bounds hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb
import numpy as np

from predictor.encoding import Encoder, Matrix

#: What is predicted. Each is learnt in log, where errors are proportions.
TARGETS = ("memory_mib", "vcpu", "runtime_s", "gpu_memory_mib")
QUANTILES = (0.5, 0.95)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What must be added (in log) to a raw quantile for its bound to hold; by family, else pooled.

    `residuals` are log(actual) - predicted median, out of sample, sorted: what the margin is
    chosen from.
    """

    offset_p95: float = 0.0
    by_family: Mapping[str, float] = field(default_factory=dict)
    residuals: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """Boosters by (target, quantile), the encoder of their rows, and their calibration by
    target.
    """

    version: str
    encoder: Encoder
    boosters: Mapping[tuple[str, float], Any]
    calibration: Mapping[str, Calibration]
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def targets(self) -> list[str]:
        return [target for target in TARGETS if (target, QUANTILES[0]) in self.boosters]

    def predict(self, rows: Matrix, target: str) -> Matrix:
        """Log quantiles of a target, shape (len(rows), 2), in order, without the calibration."""
        raw = [raw_predict(self.boosters[target, quantile], rows) for quantile in QUANTILES]
        return np.maximum.accumulate(np.column_stack(raw), axis=1)

    def bounds(self, rows: Matrix, target: str, families: Sequence[str]) -> Matrix:
        """Quantiles of a target in its own unit, calibrated by each row's family."""
        logs = self.predict(rows, target)
        known = self.calibration.get(target, Calibration())
        offsets = [known.by_family.get(family, known.offset_p95) for family in families]
        logs[:, 1] = np.maximum(logs[:, 0], logs[:, 1] + np.asarray(offsets))
        return np.exp(logs)


def raw_predict(booster: lgb.Booster, rows: Matrix) -> Matrix:
    return np.asarray(booster.predict(rows), dtype=np.float64)
