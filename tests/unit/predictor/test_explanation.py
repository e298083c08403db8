from __future__ import annotations

from headgate.estimate import Source
from predictor.predictor import Predictor
from tests.unit.predictor.examples import asking, job, ran, sweep_history
from training.dataset import build
from training.fit import FitOptions, fit


def test_the_nearest_past_jobs_are_near_by_what_the_need_moves_with() -> None:
    predictor = Predictor()
    for place in range(40):
        own = {"rows": 1000 * (place % 8 + 1), "seed": place}
        predictor.observe([ran(job(), 100.0 * (place % 8 + 1) + place % 3, at=float(place), **own)])

    found = predictor.explain(job(parameters={"rows": 3000, "seed": 39}))

    assert [dict(one.inputs) for one in found.neighbours] == [{"parameter.rows": 3000.0}] * 5
    assert all(299 < one.memory_mib < 303 for one in found.neighbours)
    assert found.neighbours[0].finished_at_s == 34.0  # the latest of equals


def test_ways_are_told_in_words_the_cheapest_first() -> None:
    predictor = Predictor()
    predictor.observe([ran(job(), 900.0 + place, at=float(place)) for place in range(12)])

    prices = predictor.explain(job()).prices

    assert "level, tail above 92 %" in prices
    assert list(prices.values()) == sorted(prices.values())
    assert min(prices.values()) <= 1.0  # the family's median is one of the ways


def test_jobs_of_other_kinds_are_not_called_near() -> None:
    predictor = Predictor()
    history = sweep_history(40)
    predictor.observe(history)

    found = predictor.explain(job("new", command=("other",), resources=asking(8192)))

    assert found.estimate.source is not Source.FAMILY
    assert (found.neighbours, found.prices) == ((), {})


def test_a_model_says_how_much_each_fact_adds() -> None:
    history = sweep_history(60)
    predictor = Predictor(fit(build(history), FitOptions(rounds=20, folds=0)))

    shares = predictor.explain(history[0].job.model_copy(update={"parameters": {"rows": 100_000}}))

    assert shares.contributions["parameter.rows"] > 0
