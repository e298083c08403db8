"""Fit the quantile boosters, and calibrate them on what they have not seen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np

from predictor.encoding import Encoder, Matrix
from predictor.model import QUANTILES, TARGETS, Calibration, Model, raw_predict
from training.dataset import Dataset, Vector
from training.split import forward

#: Fewer labels than this and a target is left to the families.
MIN_ROWS = 20
#: A family gets an offset of its own beyond this; smaller ones pool.
MIN_FAMILY = 40


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How the boosters grow. Small leaves on small data, deterministic always."""

    rounds: int = 200
    learning_rate: float = 0.05
    leaves: int = 31
    folds: int = 4
    seed: int = 1
    threads: int = 2


def fit(
    data: Dataset, options: FitOptions = FitOptions(), card: Mapping[str, Any] | None = None
) -> Model:
    """A model of every target that has enough labels."""
    encoder = Encoder.fit(data.known)
    rows = encoder.encode(data.known)
    boosters: dict[tuple[str, float], Any] = {}
    calibration: dict[str, Calibration] = {}
    for target in TARGETS:
        there = np.isfinite(data.labels[target])
        if there.sum() < MIN_ROWS:
            continue
        logs = np.log(data.labels[target][there])
        families = [family for family, ok in zip(data.families, there, strict=True) if ok]
        for quantile in QUANTILES:
            boosters[target, quantile] = grow(encoder, rows[there], logs, quantile, options)
        calibration[target] = calibrate(encoder, rows[there], logs, families, options)
    return Model(_version(boosters), encoder, boosters, calibration, dict(card or {}))


def grow(
    encoder: Encoder, rows: Matrix, logs: Vector, quantile: float, options: FitOptions
) -> lgb.Booster:
    """One quantile booster on log labels."""
    smallest = int(np.clip(len(logs) // 50, 3, 20))
    parameters = {
        "objective": "quantile",
        "alpha": quantile,
        "learning_rate": options.learning_rate,
        "num_leaves": options.leaves,
        "min_data_in_leaf": smallest,
        "min_data_in_bin": 1,
        "cat_smooth": 1.0,
        "cat_l2": 1.0,
        "min_data_per_group": smallest,
        "seed": options.seed,
        "num_threads": options.threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    data = lgb.Dataset(
        rows,
        label=logs,
        feature_name=[f"f{place}" for place in range(rows.shape[1])],
        categorical_feature=encoder.categorical,
        params={"verbosity": -1},
    )
    return lgb.train(parameters, data, num_boost_round=options.rounds)


def calibrate(
    encoder: Encoder, rows: Matrix, logs: Vector, families: list[str], options: FitOptions
) -> Calibration:
    """Conformal offsets of the 95 % bound from forward folds (Romano et al., NeurIPS 2019), in
    log.
    """
    median_errors: list[Vector] = []
    bound_errors: list[Vector] = []
    tested: list[str] = []
    for train, test in forward(len(logs), options.folds):
        if len(train) < MIN_ROWS // 2:
            continue
        p50, p95 = (
            raw_predict(grow(encoder, rows[train], logs[train], q, options), rows[test])
            for q in QUANTILES
        )
        median_errors.append(logs[test] - p50)
        bound_errors.append(logs[test] - np.maximum(p50, p95))
        tested += [families[place] for place in test]
    if not tested:
        return Calibration()
    errors = np.concatenate(bound_errors)
    names = np.asarray(tested)
    by_family = {
        str(name): conformal_quantile(errors[names == name])
        for name in np.unique(names)
        if (names == name).sum() >= MIN_FAMILY
    }
    residuals = np.sort(np.concatenate(median_errors))
    return Calibration(
        conformal_quantile(errors), by_family, tuple(residuals[:: max(1, len(residuals) // 500)])
    )


def conformal_quantile(errors: Vector, level: float = 0.95) -> float:
    """The ceil((n + 1) level)-th smallest error; the largest where there are too few."""
    rank = min(len(errors), int(np.ceil((len(errors) + 1) * level)))
    return float(np.sort(errors)[rank - 1])


def _version(boosters: Mapping[tuple[str, float], Any]) -> str:
    """A name made from the content: the same fit has the same name."""
    digest = hashlib.sha256()
    for key in sorted(boosters):
        digest.update(boosters[key].model_to_string().encode())
    return digest.hexdigest()[:12]
