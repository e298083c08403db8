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
#: Those whose bound is learnt too, as a booster named by `high_of`: too little of them kills, and
#: too much idles. A GPU has the memory that it has.
BOUNDED = ("memory_mib",)
#: Fewer rows are done sooner by one thread; several would wait for each other on a busy machine.
MANY_ROWS = 20_000


def high_of(target: str) -> str:
    """The name of the booster of a target's bound."""
    return f"{target}.high"


#: Every booster that there may be.
BOOSTERS = (*TARGETS, *map(high_of, BOUNDED))


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
    """Boosters by target, and of bounds by `high_of`; the encoder of their rows, and their
    calibration by the same names.
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

    def said(self, name: str, at_s: float) -> float:
        """What a booster foretold, in log, of an attempt that was left out of its training; NaN
        if it was not.
        """
        known = self.calibration.get(name)
        return known.said.get(at_s, np.nan) if known else np.nan

    def logs(self, rows: Rows, name: str) -> Matrix:
        """What a booster says of each row, in log: a median, a mean or a bound."""
        return raw_predict(self.boosters[name], self.encoder.encode(rows))

    def hear(self, rows: Rows) -> Heard:
        """All that it says of rows. It reads nothing that changes, and needs no lock."""
        matrix = self.encoder.encode(rows)
        logs = {name: raw_predict(booster, matrix) for name, booster in self.boosters.items()}
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
    """What a model, if there is one, says of some rows, in log, by the names of its boosters."""

    model: Model | None = None
    logs: Mapping[str, Matrix] = field(default_factory=dict)


def raw_predict(booster: lgb.Booster, rows: Matrix) -> Matrix:
    threads = 1 if len(rows) < MANY_ROWS else 0
    return np.asarray(booster.predict(rows, num_threads=threads), dtype=np.float64)
