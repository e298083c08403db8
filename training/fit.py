"""Fit the boosters, and calibrate them on what they have not seen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from predictor.boosting import lgb
from predictor.encoding import Encoder, Matrix
from predictor.model import BOUNDED, MANY_ROWS, TARGETS, Calibration, Model, high_of, raw_predict
from predictor.rows import Rows
from predictor.series import BOUND
from training.dataset import Dataset, Vector
from training.split import Places, by_family, by_time, forward

#: Fewer labels than this and a target is left to the families.
MIN_ROWS = 20
#: So many of the errors and of the latest left-out predictions are kept with the model.
MAX_ERRORS, MAX_SAID = 500, 20_000
#: The latest share of the rows, on which recipes are compared; on fewer than so many it is chance.
CHOOSING, MIN_CHOOSING = 0.25, 50
#: The level of the quantile that is a middle.
MIDDLE = 0.5
#: More rows than so many latest hardly change the choice, and take their time.
MAX_CHOOSING = 8_000
#: Rounds are added as long as later rows gain from it, up to so many times what rows get at first;
#: it is over when as many rounds as that did not help.
MOST_LONGER = 5.0
#: An error, in log, that is less by no more than this does not pay for as many rounds again, in
#: training and in every estimate: it is an eighth of the ladder's steps that memory is given in.
LEAST_GAIN = 0.0005
#: The least rows in a leaf of a fine booster.
FINE_LEAF = 5
#: The features that move from one attempt to the next: the family's own past, and what shares a
#: word with it.
PAST = ("history.", "kin.", "twin.")


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
    level: float = MIDDLE  #: of the quantile
    past: tuple[str, ...] = PAST  #: which of the moving features it sees
    fine: bool = False  #: small leaves and twice the rounds
    longer: float = 1.0  #: how many times the rounds that so many rows get at first

    @property
    def metric(self) -> str:
        """What it is judged by, of log errors: a middle by their size, a bound by its own loss."""
        return "l1" if self.level == MIDDLE else "quantile"


#: Leaves of medians shrug off wild labels, those of means learn faster; the recent past is the best
#: of features where needs drift, and noise where they do not. Which it is, the data tell: one
#: question after the other, each with its possible answers, the first for few rows.
QUESTIONS: Mapping[str, Sequence[object]] = {
    "past": (PAST, PAST[1:], ()),
    "objective": ("quantile", "regression"),
    "fine": (False, True),
}


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
        recipes = {target: recipe}
        if target in BOUNDED:
            recipes[high_of(target)] = choose_bound(encoder, labelled, options, recipe)
        for name, each in recipes.items():
            boosters[name] = grow(encoder, labelled.rows, logs, options, each)
            calibration[name] = calibrate(encoder, labelled, options, each)
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

    def latest(self, count: int) -> Labelled:
        return Labelled(
            self.rows[-count:],
            self.logs[-count:],
            self.families[-count:],
            self.finished_at_s[-count:],
        )


def choose(encoder: Encoder, data: Labelled, options: FitOptions) -> Recipe:
    """The recipe, and its rounds, with the least error in proportion on the latest rows, fitted
    on those before.
    """
    data = data.latest(MAX_CHOOSING)
    earlier, later = by_time(len(data.logs), CHOOSING)
    if len(later) < MIN_CHOOSING:
        return Recipe()
    best = _tried(encoder, data, options, (Recipe("regression"), earlier, later))
    for question, allowed in QUESTIONS.items():
        others = [replace(best[1], **{question: one, "longer": 1.0}) for one in allowed]  # type: ignore[arg-type]
        others = [one for one in others if replace(best[1], longer=1.0) != one]
        tried = [_tried(encoder, data, options, (one, earlier, later)) for one in others]
        best = min([best, *tried], key=lambda pair: pair[0])
    return best[1]


def choose_bound(encoder: Encoder, data: Labelled, options: FitOptions, middle: Recipe) -> Recipe:
    """The recipe of a target's bound: what its middle looks at, with leaves and rounds of its own.
    Where families differ, a quantile begins far from most of them, and takes more rounds.
    """
    data = data.latest(MAX_CHOOSING)
    earlier, later = by_time(len(data.logs), CHOOSING)
    plain = Recipe(level=BOUND, past=middle.past)
    if len(later) < MIN_CHOOSING:
        return plain
    tried = [
        _tried(encoder, data, options, (replace(plain, fine=fine), earlier, later))
        for fine in (False, True)
    ]
    return min(tried, key=lambda pair: pair[0])[1]


def _tried(
    encoder: Encoder, data: Labelled, options: FitOptions, what: tuple[Recipe, Places, Places]
) -> tuple[float, Recipe]:
    """The error on the later rows after the best number of rounds, and the recipe with it."""
    recipe, earlier, later = what
    patience = rounds_of(len(earlier), options, recipe)
    longest = replace(recipe, longer=MOST_LONGER)
    rows = [_seen(encoder, data.rows[places], recipe) for places in (earlier, later)]
    train = _dataset(encoder, rows[0], data.logs[earlier])
    booster = lgb.train(
        _parameters(len(earlier), options, recipe),
        train,
        num_boost_round=rounds_of(len(earlier), options, longest),
        valid_sets=[train.create_valid(rows[1], label=data.logs[later])],
        callbacks=[lgb.early_stopping(patience, verbose=False, min_delta=LEAST_GAIN)],
    )
    error = booster.best_score["valid_0"][recipe.metric]
    return error, replace(recipe, longer=booster.best_iteration / patience)


def grow(
    encoder: Encoder, rows: Matrix, logs: Vector, options: FitOptions, recipe: Recipe = Recipe()
) -> lgb.Booster:
    """A booster of the middle of log labels."""
    return lgb.train(
        _parameters(len(logs), options, recipe),
        _dataset(encoder, _seen(encoder, rows, recipe), logs),
        num_boost_round=rounds_of(len(logs), options, recipe),
    )


def rounds_of(size: int, options: FitOptions, recipe: Recipe) -> int:
    """So many rounds for so many rows; few rows are learnt by heart soon."""
    rounds = min(options.rounds, 50 + size // 5) * (2 if recipe.fine else 1)
    return max(1, round(rounds * recipe.longer))


def _parameters(size: int, options: FitOptions, recipe: Recipe) -> dict[str, Any]:
    smallest = FINE_LEAF if recipe.fine else int(np.clip(size // 50, 3, 20))
    return {
        "objective": recipe.objective,
        "alpha": recipe.level,
        "metric": recipe.metric,
        "learning_rate": 10 / min(options.rounds, 50 + size // 5),
        "num_leaves": options.leaves,
        "min_data_in_leaf": smallest,
        "min_data_in_bin": 1,
        "cat_smooth": 1.0,
        "cat_l2": 1.0,
        "min_data_per_group": smallest,
        "seed": options.seed,
        "num_threads": 1 if size < MANY_ROWS else 0,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }


def _dataset(encoder: Encoder, rows: Matrix, logs: Vector) -> lgb.Dataset:
    return lgb.Dataset(
        rows,
        label=logs,
        feature_name=[f"f{place}" for place in range(rows.shape[1])],
        categorical_feature=encoder.categorical,
        params={"verbosity": -1, "min_data_in_bin": 1},
    )


def _seen(encoder: Encoder, rows: Matrix, recipe: Recipe) -> Matrix:
    """What the recipe may look at."""
    hidden = tuple(prefix for prefix in PAST if prefix not in recipe.past)
    return _without(encoder, rows, hidden) if hidden else rows


def _without(encoder: Encoder, rows: Matrix, prefixes: tuple[str, ...]) -> Matrix:
    """What is never known is never split on, and so not looked at when it is known again."""
    blind = rows.copy()
    blind[:, [column.name.startswith(prefixes) for column in encoder.columns]] = np.nan
    return blind


def calibrate(
    encoder: Encoder, data: Labelled, options: FitOptions, recipe: Recipe = Recipe()
) -> Calibration:
    """Honest errors of the middle: of each block of time by what came before it, and of each family
    by the others.
    """
    if not options.folds:
        return Calibration()
    grown = partial(grow, encoder, options=options, recipe=recipe)
    later = _left_out(grown, data, list(forward(len(data.logs), options.folds)))
    families = list(by_family(data.families, options.folds)) if recipe.level == MIDDLE else []
    new = _left_out(grown, data, families)
    there = np.flatnonzero(np.isfinite(later))
    latest = there[-MAX_SAID:]
    said = dict(zip(data.finished_at_s[latest].tolist(), later[latest].tolist(), strict=True))
    return Calibration(_thinned(data.logs - later), _thinned(data.logs - new), said)


def _left_out(
    grown: Callable[[Matrix, Vector], lgb.Booster],
    data: Labelled,
    folds: list[tuple[Places, Places]],
) -> Vector:
    """The log middle of each row by a fit that left it out; NaN where no fold tests it."""
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
