"""How far a fit is believed beyond what was seen."""

from __future__ import annotations

import numpy as np

from predictor.bases import fits, power
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
