from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headgate.estimate import Estimate, Quantiles
from headgate.job import Job
from headgate.resources import ResourceRequest, Resources
from predictor.predictor import Predictor
from predictor.risk import outlook
from tests.unit.predictor.examples import asking, job, killed, ran, sweep_history
from training.dataset import build
from training.fit import FitOptions, fit

needs = st.lists(st.floats(1.0, 1e6), min_size=1, max_size=12)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)


@settings(max_examples=25, deadline=None)
@given(needs, st.dictionaries(st.sampled_from("abc"), scalars, max_size=3))
@example([1.0], {"a": "0\x1f"})  # a space to strip(), and none to float()
def test_any_history_and_any_parameters_give_a_finite_estimate(
    history: list[float], own: dict[str, object]
) -> None:
    predictor = Predictor()
    predictor.observe([ran(job(), need, at=float(n)) for n, need in enumerate(history)])
    estimate = predictor.estimate_task(job(), own)
    assert estimate.allocation.memory_mib >= 1
    assert estimate.memory_mib.p50 <= estimate.memory_mib.p95
    assert math.isfinite(estimate.memory_mib.p95)


@settings(max_examples=25, deadline=None)
@given(needs, st.integers(1, 10**6))
def test_a_retry_after_a_kill_grows_up_to_the_largest_lane(
    history: list[float], limit: int
) -> None:
    predictor = Predictor()
    predictor.observe([ran(job(), need, at=float(n)) for n, need in enumerate(history)])
    largest = Resources(96.0, 2_000_000, 0)
    again = predictor.retry(killed(job(), limit), largest)
    assert limit < again.memory_mib <= largest.memory_mib


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=50), st.sampled_from([0.5, 0.8, 0.98]))
def test_an_outlook_is_a_distribution_in_order(errors: list[float], threshold: float) -> None:
    what = outlook(np.sort(np.array(errors)), threshold)
    assert math.isclose(what.chances.sum(), 1.0)
    assert (what.chances >= 0).all()
    assert (np.diff(what.points) >= 0).all()


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "7", ""]), min_size=1, max_size=40))
def test_a_sweep_s_shapes_hold_every_task_once(words: list[str]) -> None:
    predictor = Predictor()
    predictor.observe(
        [ran(job(), 100.0 * (n + 1), at=float(n), kind="ab"[n % 2]) for n in range(8)]
    )
    groups = predictor.estimate_sweep(job(), {"kind": np.array(words, dtype=object)}, len(words))
    held = np.concatenate([tasks for tasks, _ in groups])
    assert sorted(held.tolist()) == list(range(len(words)))


@cache
def a_predictor() -> Predictor:
    """With a history of several kinds, kills among them, and a model of the older part."""
    history = [
        *sweep_history(60),
        *(ran(job(f"etl-{n}"), 900.0 + 10 * n, at=100.0 + n) for n in range(12)),
        *(killed(job("leaky"), 500 + n, at=200.0 + n) for n in range(2)),
    ]
    predictor = Predictor(fit(build(history[:50]), FitOptions(rounds=20, folds=2)))
    predictor.observe(history)
    return predictor


@st.composite
def any_job(draw: st.DrawFn) -> Job:
    """Of a kind that is known, or not; with any parameters."""
    own = {
        "algorithm": draw(st.sampled_from(["forest", "svm", "logistic", "unheard of", 3])),
        "rows": draw(st.integers(0, 10**9) | st.floats(allow_nan=False) | st.none()),
    }
    return job(
        draw(st.sampled_from(["sweep-train", "etl-7", "leaky", "new"])),
        parameters=draw(st.sampled_from([{}, own])),
        resources=draw(st.sampled_from([asking(), ResourceRequest(), ResourceRequest(gpus=1)])),
        timeout_s=draw(st.sampled_from([None, 600])),
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(any_job(), st.sampled_from(["cost", "safe"])), min_size=1, max_size=8))
def test_jobs_are_estimated_together_as_each_is_alone(pairs: list[tuple[Job, str]]) -> None:
    predictor = a_predictor()
    jobs, modes = [job for job, _ in pairs], [mode for _, mode in pairs]

    together = predictor.estimate(jobs, modes)

    alone = [predictor.estimate([job], mode)[0] for job, mode in pairs]
    assert [rounded(one) for one in together] == [rounded(one) for one in alone]


def rounded(estimate: Estimate) -> Estimate:
    """Processors reckon several numbers at once a last digit otherwise than one alone."""

    def of(both: Quantiles | None) -> Quantiles | None:
        return both and Quantiles(float(f"{both.p50:.9g}"), float(f"{both.p95:.9g}"))

    names = ("memory_mib", "vcpu", "runtime_s", "gpu_memory_mib")
    changed: dict[str, Any] = {name: of(getattr(estimate, name)) for name in names}
    return replace(estimate, **changed)
