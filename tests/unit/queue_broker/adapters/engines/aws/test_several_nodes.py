"""Multi-node jobs: handed to AWS Batch as they were submitted, and judged by their main node."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from headgate.errors import NotFound
from headgate.lifecycle import Cause
from headgate.resources import Resources
from queue_broker.records import Leak
from tests.unit.queue_broker.adapters.engines.aws.batch import a_queue
from tests.unit.queue_broker.adapters.engines.aws.leaks import a_leak
from tests.unit.queue_broker.adapters.engines.aws.scene import Scene

AMOUNTS = [{"type": "VCPU", "value": "8"}, {"type": "MEMORY", "value": "30000"}]
CONTAINER = {"image": "mpi", "command": ["train", "Ref::lr"], "resourceRequirements": AMOUNTS}
PROPERTIES = {
    "numNodes": 3,
    "mainNode": 1,
    "nodeRangeProperties": [{"targetNodes": "0:", "container": CONTAINER}],
}
OVERRIDES = {"numNodes": 3, "nodePropertyOverrides": [{"targetNodes": "0:2"}]}
THEIRS = "arn:aws:batch:eu-central-1:123456789012:job-definition/theirs:4"


def a_scene(**settings: Any) -> Scene:
    """With a lane on demand, and a definition of nodes in the account."""
    scene = Scene(**settings)
    compute = {"type": "EC2", "maxvCpus": 160, "instanceTypes": ["m6i.4xlarge"]}
    scene.batch.queues["lane"] = a_queue(computeResources=compute)
    scene.batch.definitions[THEIRS] = {
        "jobDefinitionName": "theirs",
        "jobDefinitionArn": THEIRS,
        "revision": 4,
        "status": "INACTIVE",
        "type": "multinode",
        "nodeProperties": PROPERTIES | {"numNodes": 2},
    }
    return scene


def nodes(**batch: Any) -> Leak:
    given = {"nodeProperties": PROPERTIES, "nodeOverrides": OVERRIDES} | batch
    leak = a_leak(["train", "Ref::lr"], array=False, definition="theirs:4", batch=given)
    job = leak.job.model_copy(update={"parameters": {"lr": 0.5}})
    return replace(leak, job=job, allocation=Resources(24, 90_000))


def end(scene: Scene, status: str = "FAILED", reason: str = "", **main: Any) -> None:
    """Batch tells a job's end, and the container of its main node."""
    told = {"status": status, "startedAt": 1_000, "stoppedAt": 61_000, "statusReason": reason}
    scene.batch.jobs["id-1"] |= told
    scene.batch.jobs["id-1#1"] = {"jobId": "id-1#1", "status": status, "container": main}


def test_it_is_submitted_as_it_was_asked_for_with_a_definition_of_the_broker_s_own() -> None:
    scene = a_scene(job_role_arn="role")
    assert scene.hand_over(nodes()) == {"job-1": None}

    asked = scene.batch.jobs["id-1"]["asked"]
    assert asked["nodeOverrides"] == OVERRIDES
    assert asked["parameters"] == {"lr": "0.5"}
    assert asked["retryStrategy"] == {"attempts": 1}
    assert not {"containerOverrides", "arrayProperties"} & asked.keys()
    copy = scene.batch.definitions[asked["jobDefinition"]]
    assert copy["jobDefinitionName"].startswith("headgate-")
    (a_range,) = copy["nodeProperties"]["nodeRangeProperties"]
    assert a_range["container"] == CONTAINER | {"jobRoleArn": "role"}
    assert (copy["type"], copy["nodeProperties"]["numNodes"]) == ("multinode", 2)


def test_it_exits_as_its_main_node_does() -> None:
    scene = a_scene()
    scene.hand_over(nodes())
    end(scene, reason="Essential container in task exited", exitCode=3)
    (ended,) = scene.later(20)
    assert (ended.cause, ended.exit_code) == (Cause.EXITED, 3)
    assert ended.usage is not None
    assert ended.usage.runtime_s == 60


def test_an_event_of_its_end_is_looked_into_and_one_of_a_node_is_not_it() -> None:
    scene = a_scene()
    scene.hand_over(nodes())
    end(scene, exitCode=3, status="SUCCEEDED")
    watching = scene.engine._watching
    watching.hear({"jobId": "id-1#0", "status": "FAILED"})
    watching.hear({"jobId": "id-1", "status": "SUCCEEDED"})
    assert scene.engine.poll(9)[-1].exit_code == 3  # type: ignore[union-attr]


def test_a_main_node_s_kill_for_memory_is_for_its_owner_s_retry_strategy() -> None:
    scene = a_scene()
    scene.hand_over(nodes())
    end(scene, reason="Essential container in task exited", exitCode=137)
    scene.batch.jobs["id-1#1"]["container"]["reason"] = "OutOfMemoryError: Container killed"
    (ended,) = scene.later(20)
    assert (ended.cause, ended.exit_code) == (Cause.EXITED, 137)
    assert ended.reason is not None
    assert "OutOfMemoryError" in ended.reason


def test_one_that_never_started_has_no_main_node_to_look_at() -> None:
    scene = a_scene()
    scene.hand_over(nodes())
    scene.batch.jobs["id-1"] |= {"status": "FAILED", "statusReason": "Host EC2 terminated."}
    (ended,) = scene.later(20)
    assert ended.cause is Cause.INTERRUPTED


def test_a_lane_without_an_instance_for_each_node_refuses_it() -> None:
    scene = a_scene()
    scene.batch.queues["lane"]["computeResources"]["maxvCpus"] = 32
    scene.engine.lanes()
    assert scene.hand_over(nodes()) == {"job-1": "lane has no 3 instances"}


@pytest.mark.parametrize("forgotten", [False, True])
def test_the_logs_of_its_nodes_are_found_by_their_places(forgotten: bool) -> None:
    scene = a_scene()
    scene.hand_over(nodes())
    scene.batch.jobs["id-1"]["nodeProperties"] = PROPERTIES
    for index in range(3):
        job_id = f"id-1#{index}"
        told = {"jobId": job_id, "jobName": "job-1", "container": {"logStreamName": job_id}}
        scene.batch.jobs[job_id] = told
    if forgotten:
        scene.engine = scene.live()
    streams = [scene.engine._detail("job-1", place)["jobId"] for place in range(3)]
    assert streams == ["id-1#1", "id-1#0", "id-1#2"]
    with pytest.raises(NotFound):
        scene.engine._detail("job-1", 3)


def test_a_lane_tells_its_instance_types() -> None:
    (lane,) = a_scene().engine.lanes()
    assert lane.apart
    assert lane.instance_types == ("m6i.4xlarge",)
