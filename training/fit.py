"""Fit the boosters, and calibrate them on what they have not seen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from predictor.encoding import Encoder, Matrix
from predictor.model import MANY_ROWS, TARGETS, Calibration, Model, raw_predict
from predictor.rows import Rows
from training.dataset import Dataset, Vector
from training.split import Places, by_family, forward

#: Fewer labels than this and a target is left to the families.
MIN_ROWS = 20
#: So many of the errors and of the latest left-out predictions are kept with the model.
MAX_ERRORS, MAX_SAID = 500, 20_000


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How the boosters grow. Few rounds and small leaves on small data; deterministic always."""

    rounds: int = 200
    leaves: int = 31
    folds: int = 3  #: for the calibration; 0: the boosters alone
    seed: int = 1


def fit(
    data: Dataset, options: FitOptions = FitOptions(), card: Mapping[str, Any] | None = None
) -> Model:
    """A model of every target that has enough labels."""
    encoder = Encoder.fit(data.known)
    rows = encoder.encode(Rows.of(data.known, data.families))
    boosters: dict[str, Any] = {}
    calibration: dict[str, Calibration] = {}
    for target in TARGETS:
        there = np.isfinite(data.labels[target])
        if there.sum() < MIN_ROWS:
            continue
        logs = np.log(data.labels[target][there])
        there_families = [keys[0] for keys, ok in zip(data.families, there, strict=True) if ok]
        boosters[target] = grow(encoder, rows[there], logs, options)
        labelled = Labelled(rows[there], logs, np.array(there_families), data.finished_at_s[there])
        calibration[target] = calibrate(encoder, labelled, options)
    to_s = float(data.finished_at_s.max(initial=-np.inf))
    return Model(
        _version(boosters), encoder, boosters, calibration, {"to_s": to_s} | dict(card or {})
    )


def grow(encoder: Encoder, rows: Matrix, logs: Vector, options: FitOptions) -> lgb.Booster:
    """A booster of the median of log labels."""
    smallest = int(np.clip(len(logs) // 50, 3, 20))
    rounds = min(options.rounds, 50 + len(logs) // 5)
    parameters = {
        "objective": "quantile",
        "alpha": 0.5,
        "learning_rate": 10 / rounds,
        "num_leaves": options.leaves,
        "min_data_in_leaf": smallest,
        "min_data_in_bin": 1,
        "cat_smooth": 1.0,
        "cat_l2": 1.0,
        "min_data_per_group": smallest,
        "seed": options.seed,
        "num_threads": 1 if len(logs) < MANY_ROWS else 0,
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
    return lgb.train(parameters, data, num_boost_round=rounds)


@dataclass(frozen=True, slots=True)
class Labelled:
    """The rows that have a label of one target, in the order they ended."""

    rows: Matrix
    logs: Vector
    families: npt.NDArray[np.str_]
    finished_at_s: Vector


def calibrate(encoder: Encoder, data: Labelled, options: FitOptions) -> Calibration:
    """Honest errors of the median: of each block of time by what came before it, and of each family
    by the others.
    """
    if not options.folds:
        return Calibration()
    later = _left_out(encoder, data, list(forward(len(data.logs), options.folds)), options)
    new = _left_out(encoder, data, list(by_family(data.families, options.folds)), options)
    there = np.flatnonzero(np.isfinite(later))
    latest = there[-MAX_SAID:]
    said = dict(zip(data.finished_at_s[latest].tolist(), later[latest].tolist(), strict=True))
    return Calibration(_thinned(data.logs - later), _thinned(data.logs - new), said)


def _left_out(
    encoder: Encoder, data: Labelled, folds: list[tuple[Places, Places]], options: FitOptions
) -> Vector:
    """The log median of each row by a fit that left it out; NaN where no fold tests it."""
    said = np.full(len(data.logs), np.nan)
    for train, test in folds:
        if len(train) >= MIN_ROWS // 2:
            booster = grow(encoder, data.rows[train], data.logs[train], options)
            said[test] = raw_predict(booster, data.rows[test])
    return said


def _thinned(errors: Vector) -> tuple[float, ...]:
    """At most about `MAX_ERRORS` of the errors, sorted, evenly spread."""
    ordered = np.sort(errors[np.isfinite(errors)])
    return tuple(ordered[:: max(1, len(ordered) // MAX_ERRORS)].tolist())


def _version(boosters: Mapping[str, Any]) -> str:
    """A name made from the content: the same fit has the same name."""
    digest = hashlib.sha256()
    for key in sorted(boosters):
        digest.update(boosters[key].model_to_string().encode())
    return digest.hexdigest()[:12]
