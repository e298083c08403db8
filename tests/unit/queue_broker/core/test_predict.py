from __future__ import annotations

from headgate.resources import ResourceRequest, Resources
from queue_broker.core.predict import within
from tests.factories import a_job, an_estimate

LARGEST = Resources(8, 8192, 1)


def test_a_prediction_that_fits_is_left_alone() -> None:
    estimate = an_estimate(1024, 2)

    assert within(estimate, a_job(), LARGEST) is estimate


def test_a_prediction_beyond_every_instance_is_tried_on_the_largest() -> None:
    found = within(an_estimate(9000, 20), a_job(), LARGEST)

    assert found.allocation == Resources(8, 8192)
    assert found.memory_mib == an_estimate(9000, 20).memory_mib


def test_a_request_beyond_every_instance_stays_so_that_it_waits_with_its_reason() -> None:
    asked = a_job(resources=ResourceRequest(vcpu=64, memory_mib=4096))

    assert within(an_estimate(9000, 64), asked, LARGEST).allocation == Resources(64, 8192)


def test_where_there_are_no_instances_nothing_is_cut_to_nothing() -> None:
    assert within(an_estimate(1024, 1), a_job(), Resources()).allocation == Resources(1, 1024)
