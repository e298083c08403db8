"""Multi-node parallel jobs without AWS behind the broker: one task that has nodes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from queue_broker.adapters.engines.instant import Outcome
from queue_broker.records import Tasks
from tests.unit.queue_broker.wire.batch import Batch, record

AMOUNTS = [{"type": "VCPU", "value": "2"}, {"type": "MEMORY", "value": "512"}]


def a_range(target: str, *command: str, **more: Any) -> dict[str, Any]:
    container = {"image": "busybox", "resourceRequirements": AMOUNTS, "command": list(command)}
    return {"targetNodes": target, "container": container | more}


def define(
    batch: Batch, count: int, *ranges: dict[str, Any], main: int = 0, **more: Any
) -> dict[str, Any]:
    """Register the definition `nodes`; its nodeProperties."""
    properties = {"numNodes": count, "mainNode": main, "nodeRangeProperties": list(ranges)}
    batch.client.register_job_definition(
        jobDefinitionName="nodes", type="multinode", nodeProperties=properties, **more
    )
    return properties


def submit(batch: Batch, **overrides: Any) -> str:
    more = {"nodeOverrides": overrides} if overrides else {}
    return batch.submit(jobDefinition="nodes", **more)


def commands(batch: Batch, job_id: str) -> dict[str, list[str]]:
    """What each range of a job's nodes runs."""
    ranges = batch.describe(job_id)["nodeProperties"]["nodeRangeProperties"]
    return {one["targetNodes"]: one["container"]["command"] for one in ranges}


def test_all_nodes_of_a_job_are_one_task_that_asks_for_what_all_of_them_ask(batch: Batch) -> None:
    more = [*AMOUNTS[:1], {"type": "MEMORY", "value": "1024"}, {"type": "GPU", "value": "1"}]
    environment = [{"name": "ROLE", "value": "main"}]
    define(
        batch,
        3,
        a_range("0", "lead", environment=environment),
        a_range("1:2", "follow", resourceRequirements=more),
    )
    found = record(batch, submit(batch))
    assert (found.size, found.array) == (1, False)
    assert found.job.command == ("lead",)
    assert found.job.environment == {"ROLE": "main"}
    asked = found.job.resources
    assert (asked.vcpu, asked.memory_mib, asked.gpus) == (6, 2560, 2)


def test_the_older_spelling_of_amounts_counts_too(batch: Batch) -> None:
    old = {"image": "busybox", "command": ["x"], "vcpus": 3, "memory": 128}
    define(batch, 2, {"targetNodes": ":", "container": old})
    asked = record(batch, submit(batch)).job.resources
    assert (asked.vcpu, asked.memory_mib) == (6, 256)


def test_a_job_is_told_with_its_nodes_and_the_attempts_of_its_main_one(batch: Batch) -> None:
    properties = define(batch, 2, a_range("0:1", "train"))
    job_id = submit(batch)
    batch.turn()
    told = batch.describe(job_id)
    assert told["nodeProperties"] == properties
    assert told["status"] == "SUCCEEDED"
    assert "container" not in told
    assert "nodeDetails" not in told
    (tried,) = told["attempts"]
    assert tried["container"]["exitCode"] == 0
    assert tried["container"]["logStreamName"] == f"nodes/default/{job_id}"


def test_a_node_is_told_with_its_container_and_its_place(batch: Batch) -> None:
    environment = [{"name": "ROLE", "value": "Ref::role"}]
    define(
        batch,
        3,
        a_range("0", "lead"),
        a_range("1:2", "follow", "Ref::who", environment=environment),
        main=1,
    )
    job_id = batch.submit(jobDefinition="nodes", parameters={"who": "me"})
    batch.turn()
    main, other = (batch.describe(f"{job_id}#{index}") for index in (1, 2))
    assert main["nodeDetails"] == {"nodeIndex": 1, "isMainNode": True}
    assert other["nodeDetails"] == {"nodeIndex": 2, "isMainNode": False}
    assert other["jobId"] == f"{job_id}#2"
    assert other["jobArn"].endswith(f":job/{job_id}#2")
    assert "nodeProperties" not in other
    assert other["container"]["command"] == ["follow", "me"]
    assert other["container"]["environment"] == environment
    assert other["container"]["resourceRequirements"] == AMOUNTS
    assert main["container"]["exitCode"] == 0
    assert "exitCode" not in other["container"], "only the main node's is known"
    assert "exitCode" not in other["attempts"][0]["container"]
    streams = {one["container"]["logStreamName"] for one in (main, other)}
    assert streams == {f"nodes/default/{job_id}", f"nodes/default/{job_id}-1-2"}
    tasks = {one["container"]["taskArn"] for one in (main, other)}
    assert len(tasks) == 2


def test_a_node_is_found_by_its_jobs_arn_too_and_what_is_none_is_left_out(batch: Batch) -> None:
    define(batch, 2, a_range(":", "train"))
    job_id, plain = submit(batch), batch.submit()
    arn = batch.describe(job_id)["jobArn"]
    asked = [f"{arn}#1", f"{job_id}#2", f"{plain}#0", f"{job_id}#x", "nobody#0", job_id]
    found = batch.client.describe_jobs(jobs=asked)["jobs"]
    assert [one["jobId"] for one in found] == [job_id, f"{job_id}#1"]


def test_nodes_are_listed_by_index_in_the_state_of_their_job(batch: Batch) -> None:
    batch.engine.at_once = False
    define(batch, 3, a_range(":", "train"))
    job_id = submit(batch)
    batch.turn()
    pages = batch.client.get_paginator("list_jobs").paginate(
        multiNodeJobId=job_id, PaginationConfig={"PageSize": 2}
    )
    found = [one for page in pages for one in page["jobSummaryList"]]
    assert [one["jobId"] for one in found] == [f"{job_id}#{index}" for index in range(3)]
    assert found[1]["nodeProperties"] == {"nodeIndex": 1, "isMainNode": False, "numNodes": 3}
    none = batch.client.list_jobs(multiNodeJobId=job_id, jobStatus="FAILED")
    assert none["jobSummaryList"] == []
    (listed,) = batch.client.list_jobs(jobQueue="default")["jobSummaryList"]
    assert listed["nodeProperties"] == {"numNodes": 3}


def test_other_jobs_have_no_nodes(batch: Batch) -> None:
    for job_id in (batch.submit(), batch.submit(arrayProperties={"size": 2}), "nobody"):
        found = batch.client.list_jobs(multiNodeJobId=job_id, jobStatus="SUBMITTED")
        assert found["jobSummaryList"] == []


def test_a_failed_main_node_is_another_attempt_of_the_whole_job(batch: Batch) -> None:
    batch.engine.at_once = False
    define(batch, 2, a_range(":", "train"), retryStrategy={"attempts": 2})
    job_id = submit(batch)
    batch.turn()
    batch.engine.finish(f"{job_id}-1", Tasks([0]), Outcome(exit_code=1))
    batch.turn()
    told = batch.describe(f"{job_id}#1")
    assert told["status"] == "RUNNING"
    assert len(told["attempts"]) == 1
    assert told["container"]["logStreamName"] == f"nodes/default/{job_id}-2-1"


def test_a_submission_overrides_what_nodes_run(batch: Batch) -> None:
    environment = [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]
    define(batch, 4, a_range("0:3", "train", environment=environment))
    override = {
        "environment": [{"name": "B", "value": "2"}],
        "command": ["follow"],
        "memory": 1024,
        "resourceRequirements": [{"type": "GPU", "value": "1"}],
    }
    changes = [{"targetNodes": "2:", "containerOverrides": override}]
    job_id = submit(batch, nodePropertyOverrides=changes)
    assert commands(batch, job_id) == {"0:1": ["train"], "2:3": ["follow"]}
    container = batch.describe(f"{job_id}#3")["container"]
    assert container["environment"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    asked = {one["type"]: one["value"] for one in container["resourceRequirements"]}
    assert asked == {"VCPU": "2", "MEMORY": "1024", "GPU": "1"}
    whole = record(batch, job_id).job.resources
    assert (whole.vcpu, whole.memory_mib, whole.gpus) == (8, 2 * 512 + 2 * 1024, 2)


def test_a_variable_without_a_name_is_refused_of_a_definition_and_none_of_a_job(
    batch: Batch,
) -> None:
    with pytest.raises(ClientError, match="Environment variable name is required"):
        define(batch, 1, a_range("0", "train", environment=[{"value": "x"}]))
    define(batch, 1, a_range("0", "train"))
    changes = [{"targetNodes": "0", "containerOverrides": {"environment": [{"value": "y"}]}}]
    assert record(batch, submit(batch, nodePropertyOverrides=changes)).job.command == ("train",)


def test_a_submission_says_how_many_nodes_where_the_definition_leaves_it_open(
    batch: Batch,
) -> None:
    define(batch, 2, a_range("0", "lead"), a_range("1:", "follow"))
    job_id = submit(batch, numNodes=5)
    assert batch.describe(job_id)["nodeProperties"]["numNodes"] == 5
    assert commands(batch, job_id) == {"0": ["lead"], "1:": ["follow"]}
    assert record(batch, job_id).job.resources.vcpu == 10


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"nodeOverrides": {"numNodes": 3}}, "got 3; allowed: 2, since no range"),
        ({"containerOverrides": {"command": ["x"]}}, "overridden by nodeOverrides"),
        ({"arrayProperties": {"size": 2}}, "arrayProperties: got an object; allowed: none for a"),
        (
            {
                "nodeOverrides": {
                    "nodePropertyOverrides": [
                        {
                            "targetNodes": "0",
                            "containerOverrides": {
                                "resourceRequirements": [{"type": "VCPU", "value": "many"}]
                            },
                        }
                    ]
                }
            },
            "nodeProperties.VCPU: got 'many'",
        ),
        (
            {"nodeOverrides": {"nodePropertyOverrides": [{"targetNodes": ""}]}},
            "nodeOverrides.targetNodes: got ''",
        ),
        (
            {"nodeOverrides": {"nodePropertyOverrides": [{"targetNodes": "2"}]}},
            "got '2'; allowed: nodes of 0 to 1",
        ),
        (
            {"nodeOverrides": {"nodePropertyOverrides": [{"targetNodes": "0"}] * 21}},
            "nodePropertyOverrides: got 21; allowed: at most 20",
        ),
    ],
)
def test_what_cannot_be_of_nodes_is_refused(batch: Batch, more: dict[str, Any], words: str) -> None:
    define(batch, 2, a_range("0:1", "train"))
    with pytest.raises(ClientError, match=words):
        batch.submit(jobDefinition="nodes", **more)


def test_open_ranges_leave_a_job_no_fewer_nodes_than_its_main_one_needs(batch: Batch) -> None:
    define(batch, 3, a_range("0:", "train"), main=2)
    with pytest.raises(ClientError, match="mainNode: got 2; allowed: the index of one of the 2"):
        submit(batch, numNodes=2)


def test_a_job_of_one_container_has_no_nodes_to_override(batch: Batch) -> None:
    with pytest.raises(ClientError, match="nodeOverrides: got an object; allowed: none for a job"):
        batch.submit(nodeOverrides={"numNodes": 2})


def test_a_range_that_would_wait_for_what_there_is_none_of_is_refused(batch: Batch) -> None:
    wanted = {"consumableResourceList": [{"consumableResource": "licence", "quantity": 1}]}
    define(batch, 1, a_range("0", "x") | {"consumableResourceProperties": wanted})
    with pytest.raises(ClientError, match="got 'licence'; allowed: a consumable resource that"):
        submit(batch)


def test_nodes_whose_image_has_the_command_are_taken(batch: Batch) -> None:
    define(batch, 2, a_range(":"))
    assert record(batch, submit(batch)).job.command == ()


def test_the_native_api_takes_no_definition_of_several_nodes(batch: Batch) -> None:
    define(batch, 2, a_range(":", "train"))
    answer: httpx.Response = batch.send(
        "POST", "/jobs", b'{"name": "n", "definition": "nodes"}', {}
    )
    assert answer.status_code == 422
    assert "several nodes are for AWS Batch's SubmitJob" in answer.text


def test_a_job_is_stopped_as_a_whole(batch: Batch) -> None:
    batch.engine.at_once = False
    define(batch, 2, a_range(":", "train"))
    job_id = submit(batch)
    batch.turn()
    with pytest.raises(ClientError, match="allowed: a job as a whole: its nodes end together"):
        batch.client.terminate_job(jobId=f"{job_id}#1", reason="enough")
    batch.client.terminate_job(jobId="nobody#1", reason="unknown ids are no error")
    batch.client.terminate_job(jobId=job_id, reason="enough")
    batch.turn()
    told = batch.describe(f"{job_id}#1")
    assert (told["status"], told["statusReason"]) == ("FAILED", "enough")


def test_each_node_has_a_log(batch: Batch) -> None:
    batch.engine.at_once = False
    define(batch, 2, a_range(":", "train"))
    job_id = submit(batch)
    batch.turn()
    for index in (0, 1):
        batch.engine.world.runs[f"{job_id}-1"].logs[index] = f"node {index}\n".encode()
    logs = batch.speak("logs")
    group = "/aws/batch/job"
    for index in (0, 1):
        stream = batch.describe(f"{job_id}#{index}")["container"]["logStreamName"]
        found = logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]
        assert [one["message"] for one in found] == [f"node {index}"]
    listed = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert len(listed) == 2
