"""What is asked of AWS Batch about arrays, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from headgate.resources import Resources
from queue_broker.events import Ended, Started
from queue_broker.records import Tasks
from tests.unit.queue_broker.adapters.engines.aws.batch import FakeBatch
from tests.unit.queue_broker.adapters.engines.aws.leaks import a_leak
from tests.unit.queue_broker.adapters.engines.aws.scene import Scene


def child(index: int, status: str) -> dict[str, Any]:
    times = {"startedAt": 1} | ({} if status == "RUNNING" else {"stoppedAt": 2})
    return {"jobId": f"id-1:{index}", "status": status} | times


def show(batch: FakeBatch, succeeded: int, of: int) -> None:
    """An array of which the first have succeeded, and the others run."""
    states = ["SUCCEEDED"] * succeeded + ["RUNNING"] * (of - succeeded)
    children = [child(index, status) for index, status in enumerate(states)]
    summary = {"SUCCEEDED": succeeded, "RUNNING": of - succeeded}
    batch.jobs |= {one["jobId"]: one for one in children}
    batch.jobs["id-1"] |= {
        "status": "SUCCEEDED" if succeeded == of else "PENDING",
        "arrayProperties": {"size": of, "statusSummary": summary},
        "children": children,
    }


def test_many_ends_are_listed_and_the_last_ones_looked_at_together() -> None:
    scene = Scene(children_s=0)
    scene.hand_over(a_leak(tasks=range(100)))
    scene.batch.calls.clear()

    for succeeded, ends, lists in ((95, 95, 2), (98, 3, 2), (100, 2, 2)):
        show(scene.batch, succeeded, of=100)
        assert len(scene.later(20)) == ends
        assert scene.batch.calls["list_jobs"] == lists

    assert scene.batch.calls["describe_jobs"] == 3 + 2


def test_an_array_is_not_listed_for_a_few_ends_before_some_time_has_passed() -> None:
    scene = Scene(children_s=30)
    scene.hand_over(a_leak(tasks=range(100)))
    scene.later(20)
    scene.batch.calls.clear()

    for succeeded, passed_s, ends in ((10, 20, 0), (49, 20, 0), (51, 20, 51), (60, 20, 0)):
        show(scene.batch, succeeded, of=100)
        assert len(scene.later(passed_s)) == ends
    assert len(scene.later(200)) == 9


def test_an_array_s_ended_tasks_are_room_before_they_are_told() -> None:
    scene = Scene(children_s=1_000)
    leak = a_leak(tasks=range(100), allocation=Resources(1, 1000))
    scene.hand_over(leak)
    summary = {"RUNNING": 60, "SUCCEEDED": 40}
    array = {"size": 100, "statusSummary": summary}
    scene.batch.jobs["id-1"] |= {"status": "PENDING", "arrayProperties": array}

    assert scene.later(20) == []

    (lane,) = scene.engine.lanes()
    assert lane.ended == ((Resources(1, 1000), 40),)


def test_what_was_told_is_room_no_more() -> None:
    scene = Scene(children_s=0)
    leak = replace(a_leak(tasks=range(10)), open=Tasks(range(2, 10)))
    scene.engine.adopt([replace(leak, engine_id="id-1")])
    ended = {"status": "SUCCEEDED", "startedAt": 1, "stoppedAt": 2}
    children = [ended | {"jobId": f"id-1:{n}"} for n in range(9)]
    array = {"size": 10, "statusSummary": {"SUCCEEDED": 9, "RUNNING": 1}}
    scene.batch.jobs["id-1"] = {
        "jobId": "id-1",
        "jobName": leak.name,
        "status": "PENDING",
        "arrayProperties": array,
        "children": children,
    }

    events = scene.engine.poll(100)
    (before,) = scene.engine.lanes()
    scene.engine.acknowledge(events)
    (after,) = scene.engine.lanes()

    assert sum(isinstance(event, Ended) for event in events) == 7
    assert sum(isinstance(event, Started) for event in events) == 7
    assert before.ended == ((leak.allocation, 7),)
    assert after.ended == ()


def test_of_a_task_that_started_is_told_on_which_instance_where_batch_says_so() -> None:
    scene = Scene()
    scene.hand_over(a_leak(array=False))
    where = "arn:aws:ecs:eu-west-1:123456789012:container-instance/cluster/i"
    container = {"containerInstanceArn": where}
    scene.batch.jobs["id-1"] |= {"status": "RUNNING", "startedAt": 1_000, "container": container}
    scene.now_s += 100
    (start,) = scene.engine.poll(10)

    assert isinstance(start, Started)
    assert start.instance == where
