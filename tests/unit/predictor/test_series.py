"""Which way of foretelling a family speaks, and how its margin and its bound adapt."""

from __future__ import annotations

import numpy as np

from predictor.risk import Price
from predictor.series import BOUND, Series
from predictor.ways import doubt
from predictor.window import Known, Seen

#: A task of which nothing is known but its size.
KNOWN = Known(1, {"size": np.ones(1)}, *[np.full(1, np.nan)] * 3)


def seen(log: float, at_s: float = 0.0, model: float = np.nan, size: float = 1.0) -> Seen:
    return Seen(at_s, {"size": size}, model, np.nan, log, 60.0)


def series(logs: np.ndarray, models: np.ndarray | None = None) -> Series:
    found = Series(Price(3.0))
    foretold = np.full(len(logs), np.nan) if models is None else models
    for at_s, (log, model) in enumerate(zip(logs, foretold, strict=True)):
        found.add(seen(float(log), float(at_s), float(model)))
    return found


def test_a_family_s_own_way_takes_over_from_a_model_that_is_clearly_wrong() -> None:
    rng = np.random.default_rng(0)
    logs = rng.normal(0.0, 0.05, 40)
    closest = series(logs, logs + rng.normal(1.0, 0.3, 40)).closest()

    assert closest is not None
    assert closest.fit.base != "model"


def test_a_gain_over_the_model_that_may_be_chance_does_not_overrule_it() -> None:
    rng = np.random.default_rng(1)
    logs = rng.normal(0.0, 0.1, 8)
    closest = series(logs, rng.normal(0.0, 0.1, 8)).closest()

    assert closest is not None
    assert closest.fit.base == "model"


def test_few_pairs_leave_more_doubt_than_many() -> None:
    gaps = np.random.default_rng(0).normal(size=100)

    assert doubt(gaps[:1]) == np.inf
    assert doubt(gaps[:4]) > doubt(gaps[:25]) > doubt(gaps) > 0


def test_a_bound_holds_for_a_need_that_comes_again_and_again() -> None:
    need = float(np.log(7680.3))
    found = series(np.array([need, need - 0.3, need, need, need - 0.1] * 12))
    closest = found.closest()

    assert closest is not None
    assert np.exp(closest.fit.centre(KNOWN) + found.bound(closest))[0] >= 7680.3


def test_a_bound_that_fails_too_often_is_raised_and_one_that_always_holds_is_lowered() -> None:
    steady = series(np.zeros(60))
    growing = series(np.linspace(0.0, 12.0, 60) ** 2)

    assert steady.level < BOUND < growing.level


def test_kills_that_were_not_foreseen_widen_the_margin_until_successes_pay_it_back() -> None:
    found = series(np.random.default_rng(0).normal(0.0, 0.1, 40))
    found.kill(seen(0.2, 41.0))
    once = found.caution
    found.kill(seen(0.2, 42.0))
    twice = found.caution
    for at_s in range(30):
        found.add(seen(0.0, 50.0 + at_s))

    assert 0 < once < twice
    assert found.caution < twice
