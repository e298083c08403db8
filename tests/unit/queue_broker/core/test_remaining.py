from __future__ import annotations

import numpy as np
import pytest

from headgate.estimate import Quantiles
from queue_broker.core.remaining import AFTER_S, SPAN_S, still_running
from queue_broker.core.yard import Floats


def test_half_of_the_tasks_outlast_the_median_and_a_twentieth_the_bound() -> None:
    chances = still_running([Quantiles(600, 6000)], [0.0])[0]
    at = np.interp([600, 6000], AFTER_S, chances)
    assert at == pytest.approx([0.5, 0.05], abs=0.02)


def test_the_spans_add_up_to_the_mean() -> None:
    """With the exponent at one it is an exponential, whose run times have the mean p50 / ln 2."""
    bound = 693.1 * np.log(20) / np.log(2)
    assert mean_s(still_running([Quantiles(693.1, bound)], [0.0])[0]) == pytest.approx(
        1000, rel=0.05
    )


def test_of_tasks_that_scatter_widely_one_that_ran_for_long_runs_on_the_longest() -> None:
    fresh, old = still_running([Quantiles(600, 6000)] * 2, [0.0, 20_000.0])
    assert mean_s(old) > 2 * mean_s(fresh)


def test_of_tasks_alike_one_that_has_run_for_nearly_as_long_ends_soon() -> None:
    fresh, old = still_running([Quantiles(6000, 6100)] * 2, [0.0, 6000.0])
    assert mean_s(old) < mean_s(fresh) / 2


@pytest.mark.parametrize("runtime_s", [Quantiles(0, 0), Quantiles(1e9, 1e9), Quantiles(5, 1e12)])
def test_whatever_was_foretold_it_is_a_chance(runtime_s: Quantiles) -> None:
    chances = still_running([runtime_s], [1e6])
    assert ((chances >= 0) & (chances <= 1)).all()
    assert (np.diff(chances) <= 0).all()


def mean_s(chances: Floats) -> float:
    return float(chances @ SPAN_S)
