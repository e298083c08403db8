"""Children of an array that are to be stopped, also before AWS Batch has made them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from headgate.errors import Unavailable
from headgate.lifecycle import Cause
from queue_broker.records import Leak, Tasks
from tests.unit.queue_broker.adapters.engines.aws.batch import error
from tests.unit.queue_broker.adapters.engines.aws.leaks import a_leak
from tests.unit.queue_broker.adapters.engines.aws.scene import Scene

BARE = {"headgate:shim": "off"}
NO_CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity"


def cancelled_child(job: str, index: int) -> dict[str, Any]:
    told = {"status": "FAILED", "statusReason": "Headgate: cancelled"}
    return {"jobId": f"{job}:{index}"} | told


def with_cancelled(tasks: int, cancelled: int) -> Leak:
    leak = a_leak(tasks=range(tasks), tags=BARE)
    return replace(leak, cancelling=Tasks(range(cancelled)))


def test_a_child_that_was_cancelled_before_is_stopped_until_batch_has_ended_it() -> None:
    scene = Scene(first_look_s=1, look_s=10)
    scene.hand_over(with_cancelled(3, 1))
    asked = [("id-1:0", "Headgate: cancelled")]
    assert scene.batch.terminated == asked
    for passed_s, times in ((0.5, 1), (0.5, 2), (1, 2), (1, 3)):  # after 1 s, and 2 s later
        assert scene.later(passed_s) == []
        assert scene.batch.terminated == asked * times

    child = cancelled_child("id-1", 0)
    array = {"size": 3, "statusSummary": {"FAILED": 1, "RUNNABLE": 2}}
    scene.batch.jobs["id-1"] |= {"arrayProperties": array, "children": [child]}
    (end,) = scene.later(10)
    scene.later(100)

    assert (end.task, end.cause) == (0, Cause.CANCELLED)
    assert len(scene.batch.terminated) == 3


def test_what_was_cancelled_is_stopped_though_the_answer_was_lost_and_the_broker_died() -> None:
    scene = Scene()
    scene.batch.after["submit_job"] = [error("ServerException", status=500)]
    leak = with_cancelled(3, 1)
    assert scene.hand_over(leak) == {}
    scene.engine = scene.live()
    scene.engine.adopt([leak])

    assert scene.hand_over(leak) == {"job-1": None}
    assert scene.submitted() == ["job-1"]
    assert scene.batch.terminated == [("id-1:0", "Headgate: cancelled")]


def test_a_stop_that_aws_does_not_take_is_asked_for_again() -> None:
    scene = Scene(first_look_s=1)
    scene.batch.errors["terminate_jobs"] = [error("TooManyRequestsException", status=429)]
    with pytest.raises(Unavailable):
        scene.hand_over(with_cancelled(3, 1))
    assert scene.hand_over(with_cancelled(3, 1)) == {"job-1": None}
    scene.later(1)
    assert scene.batch.terminated == [("id-1:0", "Headgate: cancelled")]


def test_no_more_than_fifty_children_are_stopped_in_a_call() -> None:
    scene = Scene()
    scene.hand_over(with_cancelled(200, 120))
    assert scene.batch.calls["terminate_jobs"] == 3
    assert len(scene.batch.terminated) == 120


def test_a_child_that_was_stopped_does_not_speak_for_its_lane() -> None:
    scene = Scene()
    scene.hand_over(with_cancelled(3, 1))
    array = {"size": 3, "statusSummary": {"FAILED": 1, "RUNNABLE": 2}}
    told = {"arrayProperties": array, "children": [cancelled_child("id-1", 0)]}
    scene.batch.jobs["id-1"] |= told | {"statusReason": NO_CAPACITY}
    scene.later(20)
    assert scene.closed == NO_CAPACITY
