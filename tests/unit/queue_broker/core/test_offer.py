from __future__ import annotations

from dataclasses import replace

import pytest

from headgate.estimate import Estimate, Quantiles
from headgate.job import Job
from headgate.resources import ResourceRequest, Resources
from queue_broker.core.offer import MOST_SLOWED, Offer
from queue_broker.records import Lane
from tests.factories import a_job, an_estimate
from tests.unit.queue_broker.core.scenes import a_lane

ONE_SIZE = Offer.of([a_lane(vcpu=8, memory_mib=8_192, gpus=1)])


def ec2(vcpu: float, memory_mib: int, price_usd_hour: float) -> Lane:
    name = f"{vcpu:g}"
    return a_lane(name, vcpu, memory_mib, price_usd_hour=price_usd_hour, whole_vcpus=True)


TWO_SIZES = Offer.of([ec2(4, 7_500, 0.17), ec2(16, 30_500, 0.68)])


def busy(vcpu: float, given: float, memory_mib: int = 1_024) -> Estimate:
    """An estimate of a task that keeps so many cores busy, and is given a little more."""
    return replace(an_estimate(memory_mib, given), vcpu=Quantiles(vcpu, vcpu * 1.2))


def asking(vcpu: float) -> Job:
    return a_job(resources=ResourceRequest(vcpu=vcpu, memory_mib=4_096))


def test_a_prediction_that_fits_is_left_alone() -> None:
    estimate = an_estimate(1024, 2)

    assert ONE_SIZE.fit(estimate, a_job()) is estimate


def test_a_prediction_beyond_every_instance_is_tried_on_the_largest() -> None:
    found = ONE_SIZE.fit(an_estimate(9000, 20), a_job())

    assert found.allocation == Resources(8, 8192)
    assert found.memory_mib == an_estimate(9000, 20).memory_mib


def test_a_request_beyond_every_instance_stays_so_that_it_waits_with_its_reason() -> None:
    asked = a_job(resources=ResourceRequest(vcpu=64, memory_mib=4096))

    assert ONE_SIZE.fit(an_estimate(9000, 64), asked).allocation == Resources(64, 8192)


def test_where_there_are_no_instances_nothing_is_cut_to_nothing() -> None:
    assert Offer().fit(an_estimate(1024, 1), a_job()).allocation == Resources(1, 1024)


def test_cores_are_whole_where_batch_takes_no_others() -> None:
    assert TWO_SIZES.fit(busy(0.2, 0.25), asking(2)).allocation.vcpu == 1
    assert ONE_SIZE.fit(busy(0.2, 0.25), asking(2)).allocation.vcpu == 0.25


def test_a_task_that_needs_little_more_than_an_instance_has_gets_what_the_instance_has() -> None:
    assert TWO_SIZES.fit(busy(4.4, 4.25), asking(8)).allocation.vcpu == 4


@pytest.mark.parametrize("cores", [1.3, 4.4, 5.0, 5.9, 9.5, 13.0])
def test_no_task_is_slowed_by_more_than_it_may(cores: float) -> None:
    vcpu = TWO_SIZES.fit(busy(cores, cores), asking(16)).allocation.vcpu

    assert cores / vcpu <= MOST_SLOWED


def test_cores_that_a_user_asked_for_and_needs_are_kept() -> None:
    assert TWO_SIZES.fit(busy(4.4, 5), asking(5)).allocation.vcpu == 5


def test_where_memory_fills_the_instance_fewer_cores_save_nothing() -> None:
    assert TWO_SIZES.fit(busy(4.4, 5, memory_mib=16_000), asking(8)).allocation.vcpu == 5


def test_where_nothing_has_a_price_nothing_is_saved() -> None:
    free = Offer.of([a_lane(vcpu=4), a_lane(vcpu=16)])

    assert free.fit(busy(4.4, 4.25), asking(8)).allocation.vcpu == 4.25


def test_an_offer_stays_while_the_sizes_do() -> None:
    lanes = [ec2(4, 7_500, 0.17), ec2(16, 30_500, 0.68)]

    assert TWO_SIZES.renewed([replace(lane, running=3) for lane in lanes]) is TWO_SIZES
    assert TWO_SIZES.renewed(lanes[:1]).largest == Resources(4, 7_500)


@pytest.mark.parametrize(
    ("foretold", "vcpu", "given"), [(1_500, 1, 1_875), (300, 1, 600), (3_000, 1, 3_000)]
)
def test_what_is_dear_to_lose_has_the_memory_that_comes_with_its_cores_up_to_twice_the_need(
    foretold: int, vcpu: float, given: int
) -> None:
    estimate = an_estimate(foretold, vcpu)

    assert TWO_SIZES.fit(estimate, a_job(), is_dear=True).allocation == Resources(vcpu, given)
    assert TWO_SIZES.fit(estimate, a_job()) is estimate


def test_memory_that_no_instance_needs_to_have_beside_a_core_is_not_given_away() -> None:
    roomy = Offer.of([ec2(4, 31_000, 0.252)])

    assert roomy.fit(an_estimate(1_500), a_job(), is_dear=True).allocation.memory_mib == 2_048


@pytest.mark.parametrize(("asked", "given"), [(800, 1_000), (1_200, 1_200), (4_096, 1_875)])
def test_nobody_is_given_more_memory_for_his_cores_than_he_asked_for(
    asked: int, given: int
) -> None:
    job = a_job(resources=ResourceRequest(memory_mib=asked))

    assert TWO_SIZES.fit(an_estimate(1_000), job, is_dear=True).allocation.memory_mib == given


def test_a_gpu_task_is_given_what_was_foretold() -> None:
    estimate = replace(an_estimate(), allocation=Resources(1, 1_000, 1))

    assert ONE_SIZE.fit(estimate, a_job(), is_dear=True).allocation.memory_mib == 1_000
