"""How the boosters are grown, and which way of growing them the data choose."""

from __future__ import annotations

import numpy as np

from predictor.encoding import Column, Encoder
from predictor.predictor import Predictor
from tests.unit.predictor.examples import job, ran
from training.dataset import build
from training.fit import FitOptions, Labelled, Recipe, choose, fit, grow, rounds_of

ENCODER = Encoder([Column("parameter.rows"), Column("history.memory_mib.last")])
FEW = FitOptions(rounds=60)


def sweep(size: int, noise: float = 0.1) -> Labelled:
    """Needs that follow a parameter; the history beside it means nothing."""
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(size, 2))
    logs = 3 * rows[:, 0] + noise * rng.normal(size=size)
    return Labelled(rows, logs, np.full(size, "train"), np.arange(size, dtype=np.float64))


def test_a_booster_without_history_answers_alike_whatever_the_history_says() -> None:
    data = sweep(300)
    booster = grow(ENCODER, data.rows, data.logs, FEW, Recipe(past=()))
    other = data.rows.copy()
    other[:, 1] = 100.0

    assert np.array_equal(booster.predict(data.rows), booster.predict(other))


def test_a_recipe_is_chosen_that_does_better_than_the_first_on_later_rows() -> None:
    data, later = sweep(600), sweep(1_000)
    chosen = choose(ENCODER, data, FEW)

    def error(recipe: Recipe) -> float:
        booster = grow(ENCODER, data.rows, data.logs, FEW, recipe)
        return float(np.abs(booster.predict(later.rows[600:]) - later.logs[600:]).mean())

    assert chosen != Recipe()
    assert error(chosen) < error(Recipe())


def test_few_rows_choose_nothing() -> None:
    assert choose(ENCODER, sweep(100), FEW) == Recipe()


def test_more_rounds_are_taken_where_later_rows_gain_from_them() -> None:
    few = FitOptions(rounds=20)
    plain = choose(ENCODER, sweep(600, noise=0.01), few)
    noisy = choose(ENCODER, sweep(600, noise=30.0), few)

    assert rounds_of(600, few, plain) > rounds_of(600, few, noisy)


def test_where_errors_are_wide_tells_how_much_is_given_beyond_the_middle() -> None:
    rng = np.random.default_rng(3)
    history = [
        ran(job(), 1000 * rng.lognormal(0.0, 0.5 if wild else 0.01), at=float(place), wild=wild)
        for place, wild in enumerate([False, True] * 200)
    ]
    predictor = Predictor(fit(build(history), FEW))
    predictor.observe(history)
    jobs = [job(parameters={"wild": wild}) for wild in (False, True)]
    steady, wild = (one.allocation.memory_mib for one in predictor.estimate(jobs))

    assert 1000 < steady < 1100
    assert wild > 2000
