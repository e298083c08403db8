"""How far a fit is believed beyond what was seen."""

from __future__ import annotations

import numpy as np

from predictor.bases import fits, medians, power
from predictor.window import Known, Window


def test_inputs_that_move_together_are_not_followed_far_beyond_what_was_seen() -> None:
    rng = np.random.default_rng(0)
    size = rng.lognormal(5.0, 0.5, 40)
    twin = size * rng.lognormal(0.0, 0.001, 40)
    logs = np.log(size) + rng.normal(0.0, 0.1, 40)
    nothing = np.full(40, np.nan)
    known = Known(40, {"size": size, "twin": twin}, nothing, nothing, nothing)
    window = Window(known, logs, np.ones(40), np.arange(40))
    (fit,) = power(window, ["size", "twin"])
    apart = {"size": np.array([1e9, 1e-9]), "twin": np.array([1e3, 1e3])}
    said = fit.centre(Known(2, apart, nothing[:2], nothing[:2], nothing[:2]))

    assert (said <= logs.max() + np.log(4.0) + 1e-9).all()
    assert (said >= logs.min() - np.log(4.0) - 1e-9).all()


def test_no_fit_foretells_less_than_the_least_that_was_seen() -> None:
    rng = np.random.default_rng(0)
    size, rows = rng.uniform(2.0, 4.0, 40), rng.uniform(2.0, 4.0, 40)
    logs = np.log(size * rows) + rng.normal(0.0, 0.05, 40)
    nothing = np.full(40, np.nan)
    known = Known(40, {"size": size, "rows": rows}, nothing, nothing, nothing)
    window = Window(known, logs, np.ones(40), np.arange(40))
    tiny = {"size": np.array([0.01]), "rows": np.array([0.01])}
    said = {fit.base: fit.centre(Known(1, tiny, *[nothing[:1]] * 3))[0] for fit in fits(window)}

    assert {"line", "power law", "bent line", "joint power law", "nearest"} <= set(said)
    for base in set(said) - {"request", "model"}:
        assert said[base] >= logs.min() - 1e-9


def test_the_model_is_blended_only_where_tasks_had_both_its_answer_and_an_input() -> None:
    """Runs of before a training have no honest answer of the model; the newer ones have no input:
    a program that was called with --depth, and now is without."""
    rng = np.random.default_rng(0)
    depth = np.concatenate([rng.uniform(1.0, 9.0, 20), np.full(20, np.nan)])
    logs = np.concatenate([np.log(depth[:20]), rng.normal(1.0, 0.1, 20)])
    model = np.concatenate([np.full(20, np.nan), logs[20:]])
    nothing = np.full(40, np.nan)
    known = Known(40, {"depth": depth}, model, nothing, nothing)
    found = list(fits(Window(known, logs, np.ones(40), np.arange(40))))

    assert "model" in [fit.base for fit in found]
    assert all(np.isfinite(fit.errors).any() for fit in found)


def test_the_median_of_each_row_is_numpys_own_whatever_is_missing() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 8))
    rows[np.arange(8) < rng.integers(0, 8, size=(200, 1))] = np.nan

    assert (medians(rows) == np.nanmedian(rows, axis=1)).all()
