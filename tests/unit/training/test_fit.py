"""How the boosters are grown, and which way of growing them the data choose."""

from __future__ import annotations

import numpy as np

from headgate.estimate import Estimate
from predictor.encoding import Column, Encoder
from predictor.predictor import Predictor
from predictor.series import BOUND
from tests.unit.predictor.examples import job, ran
from training.dataset import build
from training.fit import FitOptions, Labelled, Recipe, choose, choose_bound, fit, grow, rounds_of

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


def steady_and_wild() -> list[Estimate]:
    """Of two tasks, of which one may need anything between a third and three times the usual."""
    rng = np.random.default_rng(3)
    history = [
        ran(job(), 1000 * rng.lognormal(0.0, 0.5 if wild else 0.01), at=float(place), wild=wild)
        for place, wild in enumerate([False, True] * 200)
    ]
    predictor = Predictor(fit(build(history), FEW))
    predictor.observe(history)
    return predictor.estimate([job(parameters={"wild": wild}) for wild in (False, True)])


def test_where_errors_are_wide_tells_how_much_is_given_beyond_the_middle() -> None:
    steady, wild = (one.allocation.memory_mib for one in steady_and_wild())

    assert 1000 < steady < 1100
    assert wild > 2000


def test_the_bound_that_is_stated_is_as_wide_as_errors_are() -> None:
    steady, wild = (one.memory_mib for one in steady_and_wild())

    assert steady.p95 < 1.1 * steady.p50
    assert wild.p95 > 1.8 * wild.p50


def test_a_bound_has_rounds_of_its_own_until_later_rows_gain_no_more_by_its_loss() -> None:
    data, later = sweep(600), sweep(1_000)
    plain = Recipe(level=BOUND)
    chosen = choose_bound(ENCODER, data, FEW, Recipe())

    def loss(recipe: Recipe) -> float:
        booster = grow(ENCODER, data.rows, data.logs, FEW, recipe)
        beyond = later.logs[600:] - booster.predict(later.rows[600:])
        return float(np.maximum(BOUND * beyond, (BOUND - 1) * beyond).mean())

    assert chosen.longer > 1
    assert loss(chosen) < loss(plain)
    assert choose_bound(ENCODER, sweep(100), FEW, Recipe()) == plain
