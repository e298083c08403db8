"""Which way of foretelling a family speaks, and how its margin and its bound adapt."""

from __future__ import annotations

import numpy as np

from predictor.risk import Price
from predictor.series import BOUND, MOST_ALARMS, Series
from predictor.ways import doubt, rises
from predictor.window import Known, Seen

#: A task of which nothing is known but its size.
KNOWN = Known(1, {"size": np.ones(1)}, *[np.full(1, np.nan)] * 3)


def seen(log: float, at_s: float = 0.0, model: float = np.nan, size: float = 1.0) -> Seen:
    return Seen(at_s, {"size": size}, model, np.nan, log, 60.0)


def series(logs: np.ndarray, models: np.ndarray | None = None) -> Series:
    found = Series.at([Price(3.0)])
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


def test_numbers_rise_with_their_place_only_beyond_chance() -> None:
    rng = np.random.default_rng(0)
    places = np.arange(40.0)
    assert rises(places + rng.normal(0, 10, 40))
    assert not rises(rng.normal(0, 10, 40))
    assert not rises(-places)
    assert not rises(places[:3])


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


def test_a_kill_of_a_small_task_hardly_widens_the_margin_of_large_ones() -> None:
    """A hundred times as large here: for them twice as much is no small thing."""
    rng = np.random.default_rng(0)
    logs = np.where(np.arange(60) % 2, np.log(100.0), 0.0) + rng.normal(0.0, 0.1, 60)
    small, large = series(logs), series(logs)
    small.kill(seen(1.0, 61.0))
    large.kill(seen(np.log(300.0), 61.0))

    assert 0 < 15 * small.caution < large.caution


def test_kills_of_tasks_that_were_all_sized_before_any_had_ended_are_news_once() -> None:
    """What has been learnt since would have given the others enough."""
    rng = np.random.default_rng(0)
    found = series(np.concatenate([rng.normal(0.0, 0.1, 40), rng.normal(0.5, 0.1, 40)]))
    for at_s in range(30):
        found.kill(seen(0.2, 90.0 + at_s))

    assert found.caution < 0.05


def test_a_wave_of_tasks_that_is_killed_widens_the_margin_as_a_few_of_them_do() -> None:
    logs = np.random.default_rng(0).normal(0.0, 0.1, 40)
    few, wave = series(logs), series(logs)
    for place in range(MOST_ALARMS):
        few.kill(seen(0.9, 100.0 + place / 1000))
    for place in range(500):
        wave.kill(seen(0.9, 100.0 + place / 1000))
    one_wave = wave.caution
    for place in range(500):
        wave.kill(seen(1.0, 200.0 + place / 1000))

    assert 0 < few.caution == one_wave < wave.caution < 3 * one_wave


def test_the_way_is_chosen_at_the_price_that_a_lost_attempt_has() -> None:
    """The model is right but for each tenth task, which needs up to four times as much; a request
    of four times the usual is enough for all, with much to spare.
    """
    rng = np.random.default_rng(2)
    found = Series.at([Price(0.2), Price(50.0)])
    for at in range(120):
        usual = float(rng.normal(6.0, 0.5))
        need = usual + float(rng.uniform(0.0, np.log(4.0))) * (at % 10 == 0)
        asked = float(rng.normal(usual + np.log(4.0), 0.05))
        found.add(Seen(float(at), {}, usual, asked, max(need, asked - np.log(4.0)), 60.0))

    cheap, dear = found.choice(0.2).best, found.choice(50.0).best

    assert cheap is not None
    assert dear is not None
    assert (cheap.fit.base, dear.fit.base) == ("model", "request")


def test_a_task_of_which_less_is_known_is_the_model_s() -> None:
    """The rest that the best way has no answer for is not what the median was judged on."""
    rng = np.random.default_rng(3)
    found = Series.at([Price(3.0)])
    for at in range(80):
        size = float(rng.uniform(1.0, 50.0))
        need = float(np.log(100.0 * size))
        inputs = {"twin": size} if at % 4 else {}
        found.add(Seen(float(at), inputs, need + float(rng.normal(0.0, 0.5)), np.nan, need, 60.0))
    without = Known(1, {}, np.full(1, 5.0), np.full(1, np.nan), np.full(1, np.nan))
    choice = found.choice()

    assert choice.best is not None
    assert choice.best.fit.on == "twin"
    answers = [way for way in choice.in_turn() if np.isfinite(way.fit.centre(without)[0])]
    assert answers[0].fit.base == "model"
    assert [tail.fit.base for tail in found.closest_in_turn()][-1] == "model"


def test_the_model_s_bound_is_believed_until_another_way_is_cheaper_beyond_doubt() -> None:
    """Every tenth task may need up to four times the usual, and the bound knows which."""
    rng = np.random.default_rng(4)
    found = Series.at([Price(20.0)])
    for at in range(100):
        usual, wild = float(rng.normal(6.0, 0.5)), at % 10 == 0
        need = usual + float(rng.uniform(0.0, 1.4 if wild else 0.02))
        high = usual + (1.3 if wild else 0.02)
        found.add(Seen(float(at), {}, usual, np.nan, need, 60.0, high))
    clear = Series.at([Price(20.0)])
    for at in range(100):
        model = float(rng.normal(6.0, 0.5))
        clear.add(Seen(float(at), {}, model, np.nan, 6.0, 60.0, model + 0.3))

    believed, overruled = found.choice(20.0).best, clear.choice(20.0).best

    assert believed is not None
    assert overruled is not None
    assert believed.fit.base == "model's bound"
    assert overruled.fit.base == "level"
    assert [tail.fit.base for tail in found.own_bound()] == ["model's bound"]
    assert clear.own_bound() == []
