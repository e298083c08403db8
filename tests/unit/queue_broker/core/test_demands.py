"""From what was foretold of a task to the lanes that can hold it, GPUs above all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from headgate.job import Job
from headgate.lifecycle import Cause
from headgate.resources import ResourceRequest, Resources
from headgate.usage import Meter, Observation, Usage
from predictor.predictor import Predictor
from queue_broker.core.demands import could_hold, demand_of, smallest_gpu, to_type, traits_of
from queue_broker.core.yard import rank
from queue_broker.records import Group, Lane
from tests.factories import a_job, an_estimate
from tests.unit.queue_broker.core.scenes import a_group, a_lane, decided, leaked

T4 = a_lane("t4", gpus=1, gpu_model="T4", gpu_memory_mib=16_384, price_usd_hour=0.5)
A10G = a_lane("a10g", gpus=1, gpu_model="A10G", gpu_memory_mib=22_888, price_usd_hour=1.0)
LANES = (T4, A10G)


def a_training(least_gpu_mib: int | None, **asked: Any) -> Group:
    """A group that is given one GPU, of which so much memory was foretold."""
    group = a_group(1, gpus=1, **asked)
    assert group.estimate is not None
    return replace(group, estimate=replace(group.estimate, least_gpu_mib=least_gpu_mib))


def places(group: Group) -> list[str]:
    return [LANES[place].name for place in rank(LANES, group).order]


@pytest.mark.parametrize(
    ("least_mib", "lanes"),
    [(None, ["t4", "a10g"]), (16_384, ["t4", "a10g"]), (16_385, ["a10g"]), (40_000, ["a10g"])],
)
def test_a_task_goes_where_a_gpu_holds_what_was_foretold_or_else_to_the_largest(
    least_mib: int | None, lanes: list[str]
) -> None:
    assert places(a_training(least_mib)) == lanes


def test_who_asks_for_more_gpu_memory_than_there_is_waits_with_that_reason() -> None:
    ranking = rank(LANES, a_training(40_000, gpu_memory_mib=40_000))

    assert not len(ranking.order)
    assert "gpu_memory_mib: needs 40000; the most is 22888" in ranking.never


def test_what_was_asked_is_not_held_to_once_less_was_foretold() -> None:
    assert places(a_training(9_000, gpu_memory_mib=20_000)) == ["t4", "a10g"]


def test_a_history_of_gpu_memory_decides_the_lane_of_the_next_job() -> None:
    """The whole path: observations, an estimate, a decision."""
    job = Job(name="finetune", command=("python", "tune.py"), resources=ResourceRequest(gpus=1))
    predictor = Predictor()
    predictor.observe([tuned(job, 17_000.0 + 10 * place, place) for place in range(20)])
    (estimate,) = predictor.estimate([job])

    group = replace(a_group(1), job=job, estimate=estimate)
    untold = replace(group, estimate=replace(estimate, least_gpu_mib=None))

    assert estimate.least_gpu_mib is not None
    assert 17_190 <= estimate.least_gpu_mib <= 22_888
    assert leaked(decided([group], LANES)) == {1: 1}
    assert [intent.lane for intent in decided([group], LANES).intents] == ["a10g"]
    assert [intent.lane for intent in decided([untold], LANES).intents] == ["t4"]


def tuned(job: Job, gpu_memory_mib: float, at_s: float) -> Observation:
    usage = Usage(600.0, 4_000.0, gpu_memory_mib=gpu_memory_mib, meter=Meter.CGROUP)
    return Observation(job, usage, Cause.EXITED, 0, 1, at_s, Resources(1, 8_192, 1))


def test_the_smallest_gpu_that_holds_a_task_is_named_from_the_lanes_or_else_from_ec2() -> None:
    estimate = replace(an_estimate(1024), allocation=Resources(1, 1024, 1), least_gpu_mib=15_000)
    large = replace(estimate, least_gpu_mib=100_000)

    assert smallest_gpu(demand_of(a_job(), estimate, LANES), LANES) == "T4 (16,384 MiB)"
    assert smallest_gpu(demand_of(a_job(), large, ()), ()) == "H200 (144,384 MiB)"
    assert smallest_gpu(demand_of(a_job(), an_estimate(1024), LANES), LANES) is None


@pytest.mark.parametrize(
    ("lane", "holds"),
    [
        (Lane("a", Resources(2, 4096)), True),
        (Lane("a", Resources(2, 512)), False),
        (Lane("a", Resources(2, 4096), arch="arm64"), False),
    ],
)
def test_a_lane_holds_what_fits_its_shape_and_arch(lane: Lane, holds: bool) -> None:
    demand = demand_of(a_job(resources={"arch": "x86_64"}), an_estimate(1024), [lane])

    assert could_hold(demand, lane.shape, traits_of(lane)) is holds


@pytest.mark.parametrize(
    ("bought", "purchase"),
    [("SPOT", "SPOT"), ("ON_DEMAND", "ON_DEMAND"), ("LOCAL", "ON_DEMAND")],
)
def test_the_packer_hears_on_which_market_a_lane_buys(bought: str, purchase: str) -> None:
    lane = replace(T4, purchase=bought)
    kind = to_type(lane, limit=3)

    assert (kind.purchase, traits_of(lane).purchase) == (purchase, purchase)
    assert (kind.arch, kind.gpu_model, kind.gpu_memory_mib) == ("x86_64", "T4", 16_384)
