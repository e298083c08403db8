"""The trained model: LightGBM boosters by target, and what they said of tasks left out of
training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from predictor.boosting import lgb
from predictor.encoding import Encoder, Matrix
from predictor.rows import Rows

#: What is predicted. Each is learnt in log, where errors are proportions.
TARGETS = ("memory_mib", "vcpu", "runtime_s", "gpu_memory_mib")
#: Fewer rows are done sooner by one thread; several would wait for each other on a busy machine.
MANY_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Calibration:
    """Honest errors of the middle, log(actual / predicted), sorted: of later jobs, and of new
    families.

    `said` is the log middle that was foretold of a left-out attempt, by the time at which it
    ended.
    """

    errors: tuple[float, ...] = ()
    new_errors: tuple[float, ...] = ()
    said: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """Boosters by (target, quantile), the encoder of their rows, and their calibration by
    target.
    """

    version: str
    encoder: Encoder
    boosters: Mapping[str, Any]
    calibration: Mapping[str, Calibration]
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def targets(self) -> list[str]:
        return [target for target in TARGETS if target in self.boosters]

    @property
    def to_s(self) -> float:
        """The end of the latest attempt that the model has learnt from."""
        return float(self.card.get("to_s", -np.inf))

    @property
    def used(self) -> set[str]:
        """The features that any tree splits on."""
        shares = [booster.feature_importance() for booster in self.boosters.values()]
        total = np.sum(shares, axis=0) if shares else np.zeros(0)
        return {
            column.name for column, share in zip(self.encoder.columns, total, strict=False) if share
        }

    def said(self, target: str, at_s: float) -> float:
        """The log middle foretold of an attempt that was left out of training; NaN if it was
        not.
        """
        known = self.calibration.get(target)
        return known.said.get(at_s, np.nan) if known else np.nan

    def logs(self, rows: Rows, target: str) -> Matrix:
        """The log middle of a target for each row, a median or a mean as its recipe says."""
        return raw_predict(self.boosters[target], self.encoder.encode(rows))

    def hear(self, rows: Rows) -> Heard:
        """What it says of rows, all targets. It reads nothing that changes, and needs no lock."""
        matrix = self.encoder.encode(rows)
        logs = {target: raw_predict(self.boosters[target], matrix) for target in self.targets}
        return Heard(self, logs)

    def contributions(self, rows: Rows, target: str) -> dict[str, float]:
        """SHAP values of the first row: what each feature adds to the log middle (Lundberg et
        al., 2020).
        """
        if target not in self.targets:
            return {}
        matrix = self.encoder.encode(rows)[:1]
        shares = self.boosters[target].predict(matrix, pred_contrib=True)[0]
        pairs = zip(self.encoder.columns, shares[:-1], strict=True)
        return {column.name: float(share) for column, share in pairs if share}


@dataclass(frozen=True, slots=True)
class Heard:
    """What a model, if there is one, says of some rows: the log middles by target."""

    model: Model | None = None
    logs: Mapping[str, Matrix] = field(default_factory=dict)


def raw_predict(booster: lgb.Booster, rows: Matrix) -> Matrix:
    threads = 1 if len(rows) < MANY_ROWS else 0
    return np.asarray(booster.predict(rows, num_threads=threads), dtype=np.float64)
