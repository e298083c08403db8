from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headgate.resources import Resources
from queue_broker.main import build, wire_protocol
from queue_broker.records import Lane
from queue_broker.settings import Settings
from queue_broker.wire.endings import TOO_MUCH
from queue_broker.wire.time_limits import CANCELLED, LOOK_S, TimeLimits
from tests.unit.queue_broker.wire.batch import Batch, an_environment

REASON = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"
#: More than the lane has.
HUGE = {"resourceRequirements": [{"type": "MEMORY", "value": str(2**19)}]}


@pytest.fixture
def limits(batch: Batch) -> TimeLimits:
    """A queue `strict` that has what waits in vain cancelled after ten minutes."""
    an_environment(batch.client)
    make_queue(batch, "strict", {"reason": REASON})
    return TimeLimits(wire_protocol(batch.broker), lambda: True)


def make_queue(batch: Batch, name: str, *actions: dict[str, Any]) -> None:
    told = {"state": "RUNNABLE", "maxTimeSeconds": 600, "action": "CANCEL"}
    batch.client.create_job_queue(
        jobQueueName=name,
        priority=1,
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "env"}],
        jobStateTimeLimitActions=[told | one for one in actions],
    )


def in_vain(batch: Batch, queue: str = "strict", **more: Any) -> str:
    job_id = batch.submit(jobQueue=queue, containerOverrides=HUGE, **more)
    batch.turn()
    return job_id


def wait(batch: Batch, limits: TimeLimits, seconds: float) -> None:
    """The broker looks again and again meanwhile."""
    end_s = batch.clock.now_s + seconds
    while batch.clock.now_s < end_s:
        limits.run()
        batch.clock.now_s += LOOK_S
    limits.run()


def status(batch: Batch, job_id: str) -> str:
    return str(batch.describe(job_id)["status"])


def test_what_no_lane_can_hold_says_so_in_awss_words(batch: Batch) -> None:
    job_id = in_vain(batch, "default")
    told = batch.describe(job_id)
    assert told["status"] == "RUNNABLE"
    assert told["statusReason"].startswith(f"{TOO_MUCH} (fits no lane: needs 1 vCPU, 524,288 MiB")
    (listed,) = batch.client.list_jobs(jobQueue="default", jobStatus="RUNNABLE")["jobSummaryList"]
    assert listed["statusReason"] == told["statusReason"]


def test_what_waits_in_vain_is_cancelled_after_its_queues_time(
    batch: Batch, limits: TimeLimits
) -> None:
    job_id = in_vain(batch)
    wait(batch, limits, 570)
    assert status(batch, job_id) == "RUNNABLE"
    wait(batch, limits, 30)
    told = batch.describe(job_id)
    assert (told["status"], told["statusReason"]) == ("FAILED", CANCELLED)
    assert told["isCancelled"] is True
    assert "startedAt" not in told


def test_only_queues_that_say_so_have_it_cancelled(batch: Batch, limits: TimeLimits) -> None:
    make_queue(batch, "patient")
    make_queue(batch, "other", {"reason": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"})
    waiting = [in_vain(batch, queue) for queue in ("patient", "other", "default")]
    wait(batch, limits, 7200)
    assert {status(batch, job_id) for job_id in waiting} == {"RUNNABLE"}


def test_what_waits_for_room_is_left_waiting(batch: Batch, limits: TimeLimits) -> None:
    batch.engine.at_once = False
    whole = {"resourceRequirements": [{"type": "MEMORY", "value": str(2**18)}]}
    _, second = [batch.submit(jobQueue="strict", containerOverrides=whole) for _ in range(2)]
    batch.turn()
    wait(batch, limits, 7200)
    assert status(batch, second) == "RUNNABLE"


def test_of_an_array_only_the_children_that_wait_in_vain_are_cancelled(
    batch: Batch, limits: TimeLimits
) -> None:
    job_id = in_vain(batch, arrayProperties={"size": 3})
    wait(batch, limits, 600)
    told = batch.describe(job_id)
    assert told["status"] == "FAILED"
    assert told["arrayProperties"]["statusSummary"]["FAILED"] == 3
    assert batch.describe(f"{job_id}:1")["statusReason"] == CANCELLED


def test_the_time_begins_anew_once_a_lane_was_there(batch: Batch, limits: TimeLimits) -> None:
    job_id = in_vain(batch)
    wait(batch, limits, 570)
    batch.engine.at_once = False
    batch.engine._lanes["large"] = Lane("large", Resources(64, 2**20), closed="for repairs")
    batch.turn()
    wait(batch, limits, 60)
    assert status(batch, job_id) == "RUNNABLE"
    del batch.engine._lanes["large"]
    batch.turn()
    wait(batch, limits, 570)
    assert status(batch, job_id) == "RUNNABLE"
    wait(batch, limits, 30 + LOOK_S)
    assert status(batch, job_id) == "FAILED"


def test_a_broker_that_takes_the_lead_counts_from_then_on(batch: Batch, limits: TimeLimits) -> None:
    job_id = in_vain(batch)
    wait(batch, limits, 570)
    limits.leading = lambda: False
    limits.run()
    limits.leading = lambda: True
    wait(batch, limits, 570)
    assert status(batch, job_id) == "RUNNABLE"


def test_a_broker_looks_again_and_again(tmp_path: Path) -> None:
    broker = build(Settings(data_dir=tmp_path))
    try:
        assert broker.chores["time limits"]() is False
    finally:
        broker.stop()
