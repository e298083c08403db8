from __future__ import annotations

import math

import numpy as np
import pytest

from headgate.job import Scalar
from headgate.resources import Resources
from predictor.history import from_table, to_table
from predictor.predictor import Predictor
from tests.unit.predictor.examples import asking, job, killed, ran
from training.nightly import train


@pytest.mark.parametrize("size", [0, -1, 10**18, math.nan, math.inf, "", "1e400", None, True])
def test_any_parameter_gets_an_estimate(size: Scalar) -> None:
    predictor = Predictor()
    predictor.observe([ran(job(), 100.0 + n, at=float(n), rows=n) for n in range(12)])
    estimate = predictor.estimate_task(job(resources=asking()), {"rows": size})
    assert estimate.allocation.memory_mib > 0
    assert math.isfinite(estimate.memory_mib.p95)


def test_one_attempt_is_enough_for_an_estimate_that_never_passes_the_request() -> None:
    predictor = Predictor()
    predictor.observe([ran(job(), 1000.0)])
    given = predictor.estimate([job(resources=asking(4096))])[0].allocation
    assert 1000 <= given.memory_mib <= 4096


def test_a_constant_need_is_given_hardly_more_than_it_takes() -> None:
    predictor = Predictor()
    predictor.observe([ran(job(), 1000.0, at=float(n)) for n in range(60)])
    assert 1000 <= predictor.estimate([job()])[0].allocation.memory_mib <= 1050


def test_a_kill_is_a_bound_and_never_a_label() -> None:
    predictor = Predictor()
    predictor.observe([ran(job(), 1000.0, at=float(n)) for n in range(20)])
    predictor.observe([killed(job(), 3000, at=30.0)])
    estimate = predictor.estimate([job()])[0]
    assert estimate.allocation.memory_mib >= 3000
    assert estimate.memory_mib.p50 < 1100


def test_a_success_beyond_the_kill_ends_its_say() -> None:
    predictor = Predictor()
    predictor.observe([ran(job(), 1000.0, at=float(n)) for n in range(20)])
    predictor.observe([killed(job(), 1100, at=30.0), ran(job(), 1200.0, at=31.0)])
    predictor.observe([ran(job(), 1000.0, at=40.0 + n) for n in range(200)])
    assert predictor.estimate([job()])[0].allocation.memory_mib < 1500


def test_the_request_is_a_limit_where_it_is_a_ceiling() -> None:
    predictor = Predictor()
    predictor.observe([ran(job(), 9000.0, at=float(n)) for n in range(20)])
    limited = asking(4096, 2.0).model_copy(update={"ceiling": True})
    given = predictor.estimate([job(resources=limited)])[0].allocation
    assert given.fits(Resources(2.0, 4096, 0))


def test_one_training_row_and_constant_targets_are_no_exception() -> None:
    assert train(to_table([ran(job(), 1000.0)])).model is None
    constant = [ran(job(), 1000.0, at=float(n)) for n in range(60)]
    assert train(to_table(constant)).model is not None


def test_a_history_comes_back_from_its_table_as_it_was() -> None:
    history = [ran(job(tags={"a": "b"}), 1.5, rows=3, kind="x"), killed(job("other"), 10)]
    again = from_table(to_table(history))
    assert [item.usage for item in again] == [item.usage for item in history]
    assert [item.parameters for item in again] == [item.parameters for item in history]
    assert [item.job.tags for item in again] == [{"a": "b"}, {}]


def test_no_jobs_are_no_estimates() -> None:
    assert Predictor().estimate([]) == []
    empty = {"rows": np.array([], dtype=np.int64)}
    assert len(Predictor().estimate_sweep(job(), empty, 0, "cost")) == 1
