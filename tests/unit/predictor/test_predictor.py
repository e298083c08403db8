from __future__ import annotations

import numpy as np
import pytest

from headgate.estimate import Source
from headgate.lifecycle import Cause
from headgate.resources import Resources
from predictor.predictor import Predictor
from predictor.shape import FAR_FROM_BOUND
from tests.unit.predictor.examples import asking, job, killed, ran, sweep_history
from training.dataset import build
from training.fit import fit

LARGEST = Resources(96.0, 196608, 0)


def test_with_no_history_the_request_speaks() -> None:
    estimate = Predictor().estimate([job(resources=asking(8192, 2.0))])[0]
    assert estimate.source is Source.REQUEST
    assert estimate.allocation == Resources(2.0, 8192, 0)


def test_with_no_history_and_no_request_the_default_speaks() -> None:
    assert Predictor().estimate([job()])[0].source is Source.DEFAULT


def test_a_family_that_was_seen_is_sized_by_what_it_used() -> None:
    predictor = Predictor()
    predictor.observe([ran(job("etl-1"), 1000.0 + 10 * place) for place in range(10)])
    estimate = predictor.estimate([job("etl-2", resources=asking())])[0]
    assert estimate.source is Source.FAMILY
    assert 1090 <= estimate.allocation.memory_mib <= 1400


def test_a_kill_for_memory_is_retried_bigger_and_only_in_memory() -> None:
    again = Predictor().retry(killed(job(), 1000), LARGEST)
    assert again.memory_mib > 1000
    assert again.vcpu == 1.0


def test_a_kill_of_little_memory_is_retried_with_what_saves_nothing() -> None:
    """Step by step from 13 MiB on, three attempts would be lost to save what nobody can buy."""
    predictor = Predictor()
    predictor.observe([ran(job(), 12.0 + at % 2, at=float(at)) for at in range(30)])
    assert predictor.retry(killed(job(), 13, at=100.0), LARGEST).memory_mib == 64


def test_an_interruption_is_never_retried_bigger() -> None:
    lost = killed(job(), 1000, cause=Cause.INTERRUPTED)
    assert Predictor().retry(lost, LARGEST) == lost.allocation


def test_a_retry_never_passes_the_largest_lane() -> None:
    assert Predictor().retry(killed(job(), 150_000), LARGEST).memory_mib <= LARGEST.memory_mib


def test_a_retry_at_a_dearer_price_of_a_kill_leaves_more_to_spare() -> None:
    predictor = Predictor()
    needs = np.random.default_rng(0).lognormal(7.0, 0.5, 60)
    predictor.observe([ran(job(), need, at=float(at)) for at, need in enumerate(needs)])
    lost = killed(job(), 1500, at=100.0)
    cost, safe = (predictor.retry(lost, LARGEST, mode).memory_mib for mode in ("cost", "safe"))
    assert 1500 < cost < safe


def test_a_retry_beyond_all_that_the_family_needed_is_doubled_at_most() -> None:
    predictor = Predictor()
    needs = np.random.default_rng(0).lognormal(7.0, 0.003, 30)
    predictor.observe([ran(job(), need, at=float(at)) for at, need in enumerate(needs)])
    again = predictor.retry(killed(job(), 4000, at=100.0), LARGEST).memory_mib
    assert 4000 * 1.2 <= again <= 8000


def test_a_retry_goes_by_what_the_family_needs_where_the_last_few_misled() -> None:
    """Tasks of two sizes, of which the small came last: a kill says that it was a large one."""
    predictor = Predictor()
    rng = np.random.default_rng(0)
    needs = [*rng.normal(1000, 20, 40), *rng.normal(700, 20, 12)]
    predictor.observe([ran(job(), need, at=100.0 * at) for at, need in enumerate(needs)])
    lost = killed(job(), 800, at=6_000.0)

    assert 1000 < predictor.retry(lost, LARGEST).memory_mib <= 1200


def test_where_needs_differ_widely_a_retry_reckons_with_the_next_one() -> None:
    """The largest need a thousand times the least: one attempt at a time it would take three."""
    predictor = Predictor()
    needs = np.random.default_rng(0).lognormal(7.0, 2.0, 200)
    predictor.observe([ran(job(), need, 600.0, at=1e4 * at) for at, need in enumerate(needs)])
    lanes = Resources(96.0, 2_000_000, 0)
    second = predictor.retry(killed(job(), 500, at=3e6), lanes).memory_mib
    third = predictor.retry(killed(job(), second, at=3e6), lanes).memory_mib
    assert second < 30_000
    assert third > 60_000


def test_where_large_tasks_run_long_they_are_not_lost_for_the_short_ones() -> None:
    """The same needs, once with the same runtime each, and once with one that goes with them."""
    rng = np.random.default_rng(0)
    needs = rng.lognormal(8.0, 1.0, 200)
    alike, longer = (Predictor(), Predictor())
    for at, need in enumerate(needs.tolist()):
        alike.observe([ran(job(), need, 3600.0, at=1e7 * at)])
        longer.observe([ran(job(), need, need**1.5 / 50, at=1e7 * at)])
    given = [one.estimate([job()])[0].allocation.memory_mib for one in (alike, longer)]
    assert given[1] > 1.3 * given[0]


@pytest.mark.parametrize("seed", range(3))
def test_production_is_given_no_less_than_the_bound_of_a_model(seed: int) -> None:
    """Nor where the way that has cost least is not the one that foretells best."""
    rng = np.random.default_rng(seed)
    sizes = rng.lognormal(3, 1, 120)
    wild = rng.lognormal(0, 0.3, 120) * np.where(rng.random(120) < 0.1, 4.0, 1.0)
    seen = [
        ran(job(), 200 + 10 * size * scale, at=100.0 * place, size=size)
        for place, (size, scale) in enumerate(zip(sizes.tolist(), wild.tolist(), strict=True))
    ]
    predictor = Predictor(fit(build(seen)))
    predictor.observe(seen)
    jobs = [job(parameters={"size": size}) for size in np.geomspace(1, 400, 30).tolist()]
    found = predictor.estimate(jobs, "safe")
    assert all(one.allocation.memory_mib >= one.memory_mib.p95 for one in found)


def test_a_sweep_is_cut_into_few_shapes_that_hold_every_task_once() -> None:
    predictor = Predictor()
    history = sweep_history(110)
    predictor.observe(history)
    columns = {
        "algorithm": np.array(["forest", "svm", "logistic", "svm"] * 250),
        "rows": np.repeat([1000, 5000, 20000, 100000], 250),
    }
    groups = predictor.estimate_sweep(history[0].job, columns, 1000, "cost")
    assert len(groups) <= 16
    assert sorted(np.concatenate([tasks for tasks, _ in groups])) == list(range(1000))


def test_with_no_history_a_task_has_the_cores_that_it_asks_for() -> None:
    wide = job(resources=asking(vcpu=8.0))

    assert Predictor().estimate([wide])[0].allocation.vcpu == 8.0


def test_it_is_said_where_a_task_is_given_far_more_or_less_than_its_bound() -> None:
    predictor = Predictor()
    predictor.observe([ran(job("etl-1"), memory_mib) for memory_mib in [1000.0] * 15 + [4000.0]])

    cheap, dear = predictor.estimate([job("etl-2", resources=asking())] * 2, ["cost", "safe"])

    less, more = (one.allocation.memory_mib / one.memory_mib.p95 for one in (cheap, dear))
    assert less * FAR_FROM_BOUND < 1 < more / FAR_FROM_BOUND
    assert cheap.why.endswith(f"; given {less:.1f} x the 95 % bound")
    assert dear.why.endswith(f"; given {more:.1f} x the 95 % bound")


@pytest.mark.parametrize(("asked_mib", "given_mib"), [(3_000, 40), (64_000, 64_000)])
def test_a_new_kind_that_asks_for_far_more_than_its_kin_is_not_sized_by_them(
    asked_mib: int, given_mib: int
) -> None:
    predictor = Predictor()
    kin = job("index", resources=asking(2_000))
    predictor.observe([ran(kin, 30.0 + place % 3) for place in range(20)])

    [large] = predictor.estimate([job("assemble", resources=asking(asked_mib))])

    assert large.allocation.memory_mib == pytest.approx(given_mib, rel=0.25)
