"""How the boosters are grown, and which way of growing them the data choose."""

from __future__ import annotations

import numpy as np

from predictor.encoding import Column, Encoder
from training.fit import RECIPES, FitOptions, Labelled, Recipe, choose, grow

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
    booster = grow(ENCODER, data.rows, data.logs, FEW, Recipe(history=False))
    other = data.rows.copy()
    other[:, 1] = 100.0

    assert np.array_equal(booster.predict(data.rows), booster.predict(other))


def test_a_recipe_is_chosen_that_does_better_than_the_first_on_later_rows() -> None:
    data, later = sweep(600), sweep(1_000)
    chosen = choose(ENCODER, data, FEW)

    def error(recipe: Recipe) -> float:
        booster = grow(ENCODER, data.rows, data.logs, FEW, recipe)
        return float(np.abs(booster.predict(later.rows[600:]) - later.logs[600:]).mean())

    assert chosen != RECIPES[0]
    assert error(chosen) < error(RECIPES[0])


def test_few_rows_choose_nothing() -> None:
    assert choose(ENCODER, sweep(100), FEW) == RECIPES[0]
