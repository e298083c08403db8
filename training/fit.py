"""Fit the boosters, and calibrate them on what they have not seen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from predictor.encoding import Encoder, Matrix
from predictor.model import MANY_ROWS, TARGETS, Calibration, Model, raw_predict
from predictor.rows import Rows
from training.dataset import Dataset, Vector
from training.split import Places, by_family, by_time, forward

#: Fewer labels than this and a target is left to the families.
MIN_ROWS = 20
#: So many of the errors and of the latest left-out predictions are kept with the model.
MAX_ERRORS, MAX_SAID = 500, 20_000
#: The latest share of the rows, on which recipes are compared; on fewer than so many it is chance.
CHOOSING, MIN_CHOOSING = 0.25, 50
#: The least rows in a leaf of a fine booster.
FINE_LEAF = 5
#: The features that move from one attempt to the next.
PAST = ("history.", "kin.")


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How the boosters grow. Few rounds and small leaves on small data; deterministic always."""

    rounds: int = 200
    leaves: int = 31
    folds: int = 3  #: for the calibration; 0: the boosters alone
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to grow a booster: what its leaves hold, and what it may look at."""

    objective: str = "quantile"
    history: bool = True  #: whether it sees what the family's last attempts needed
    fine: bool = False  #: small leaves and twice the rounds


#: Leaves of medians shrug off wild labels, those of means learn faster; the family's recent past is
#: the best of features where needs drift, and noise where they do not. Which it is, the data tell.
RECIPES = (
    Recipe(),
    Recipe(history=False),
    Recipe("regression"),
    Recipe("regression", history=False),
    Recipe("regression", history=False, fine=True),
)


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
        labelled = Labelled(rows[there], logs, np.array(there_families), data.finished_at_s[there])
        recipe = choose(encoder, labelled, options)
        boosters[target] = grow(encoder, labelled.rows, logs, options, recipe)
        calibration[target] = calibrate(encoder, labelled, options, recipe)
    to_s = float(data.finished_at_s.max(initial=-np.inf))
    return Model(
        _version(boosters), encoder, boosters, calibration, {"to_s": to_s} | dict(card or {})
    )


@dataclass(frozen=True, slots=True)
class Labelled:
    """The rows that have a label of one target, in the order they ended."""

    rows: Matrix
    logs: Vector
    families: npt.NDArray[np.str_]
    finished_at_s: Vector


def choose(encoder: Encoder, data: Labelled, options: FitOptions) -> Recipe:
    """The recipe with the least error in proportion on the latest rows, fitted on those before."""
    earlier, later = by_time(len(data.logs), CHOOSING)
    if len(later) < MIN_CHOOSING:
        return RECIPES[0]

    def error(recipe: Recipe) -> float:
        booster = grow(encoder, data.rows[earlier], data.logs[earlier], options, recipe)
        said = raw_predict(booster, data.rows[later])
        return float(np.abs(data.logs[later] - said).mean())

    return min(RECIPES, key=error)


def grow(
    encoder: Encoder, rows: Matrix, logs: Vector, options: FitOptions, recipe: Recipe = RECIPES[0]
) -> lgb.Booster:
    """A booster of the middle of log labels."""
    smallest = FINE_LEAF if recipe.fine else int(np.clip(len(logs) // 50, 3, 20))
    rounds = min(options.rounds, 50 + len(logs) // 5)
    if not recipe.history:
        rows = _without_history(encoder, rows)
    parameters = {
        "objective": recipe.objective,
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
    return lgb.train(parameters, data, num_boost_round=rounds * (2 if recipe.fine else 1))


def _without_history(encoder: Encoder, rows: Matrix) -> Matrix:
    """What is never known is never split on, and so not looked at when it is known again."""
    blind = rows.copy()
    blind[:, [column.name.startswith(PAST) for column in encoder.columns]] = np.nan
    return blind


def calibrate(
    encoder: Encoder, data: Labelled, options: FitOptions, recipe: Recipe = RECIPES[0]
) -> Calibration:
    """Honest errors of the median: of each block of time by what came before it, and of each family
    by the others.
    """
    if not options.folds:
        return Calibration()
    grown = partial(grow, encoder, options=options, recipe=recipe)
    later = _left_out(grown, data, list(forward(len(data.logs), options.folds)))
    new = _left_out(grown, data, list(by_family(data.families, options.folds)))
    there = np.flatnonzero(np.isfinite(later))
    latest = there[-MAX_SAID:]
    said = dict(zip(data.finished_at_s[latest].tolist(), later[latest].tolist(), strict=True))
    return Calibration(_thinned(data.logs - later), _thinned(data.logs - new), said)


def _left_out(
    grown: Callable[[Matrix, Vector], lgb.Booster],
    data: Labelled,
    folds: list[tuple[Places, Places]],
) -> Vector:
    """The log median of each row by a fit that left it out; NaN where no fold tests it."""
    said = np.full(len(data.logs), np.nan)
    for train, test in folds:
        if len(train) >= MIN_ROWS // 2:
            booster = grown(data.rows[train], data.logs[train])
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
