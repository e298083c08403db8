"""A broker with AWS behind it; another broker's protocol stands for AWS."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from headgate.errors import InvalidInput
from headgate.job import Job
from queue_broker.adapters.upstream import BatchUpstream
from queue_broker.main import wire_protocol
from queue_broker.records import JobId
from queue_broker.wire.names import Place
from queue_broker.wire.recent import Recent
from queue_broker.wire.service import Source
from queue_broker.wire.submit import Definer
from queue_broker.wire.time_limits import CANCELLED, TimeLimits
from tests.unit.queue_broker.wire.batch import Batch, refusal


@pytest.fixture
def batch(aws: Batch, database_url: str, tmp_path: Path) -> Iterator[Batch]:
    batch = Batch(database_url, tmp_path, upstream=BatchUpstream(aws.client))
    yield batch
    batch.close()


def test_definitions_are_kept_by_aws(aws: Batch, batch: Batch) -> None:
    batch.define("d")
    assert aws.client.describe_job_definitions(jobDefinitionName="d")["jobDefinitions"]
    assert batch.client.describe_job_definitions(jobDefinitionName="d")["jobDefinitions"]
    assert batch.broker.shelf.named("job-definition", ["d"]) == []


def test_jobs_are_the_brokers_and_take_what_awss_definition_says(aws: Batch, batch: Batch) -> None:
    aws.define("d", tags={"headgate:tier": "production"})
    job_id = batch.submit(jobDefinition="d", jobQueue="prod-queue")
    record = batch.broker.store.job(JobId(job_id))
    assert (record.job.command, record.job.definition) == (("echo", "hello"), "d:1")
    assert record.tier == "production"
    assert batch.describe(job_id)["container"]["image"] == "busybox"
    assert aws.broker.store.jobs() == []


def test_what_awss_definition_says_of_all_its_jobs_goes_along_with_them(
    aws: Batch, batch: Batch
) -> None:
    aws.define("d", propagateTags=True)
    job_id = batch.submit(jobDefinition="d")
    assert batch.broker.store.job(JobId(job_id)).job.batch["propagateTags"] is True


def test_the_queues_of_the_configuration_are_told_beside_awss_own(aws: Batch, batch: Batch) -> None:
    order = [{"order": 1, "computeEnvironment": "headgate"}]
    aws.client.create_job_queue(jobQueueName="theirs", priority=1, computeEnvironmentOrder=order)
    told = [one["jobQueueName"] for one in batch.client.describe_job_queues()["jobQueues"]]
    assert "theirs" in told
    assert told.count("default") == 1
    asked = batch.client.describe_compute_environments(computeEnvironments=["headgate"])
    assert len(asked["computeEnvironments"]) == 1


def test_what_waits_in_vain_is_cancelled_as_awss_queue_says(aws: Batch, batch: Batch) -> None:
    reason = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"
    action = {"reason": reason, "state": "RUNNABLE", "maxTimeSeconds": 600, "action": "CANCEL"}
    order = [{"order": 1, "computeEnvironment": "headgate"}]
    for number in range(101):  # more than a page
        aws.client.create_job_queue(
            jobQueueName=f"theirs-{number:03}",
            priority=1,
            computeEnvironmentOrder=order,
            jobStateTimeLimitActions=[action],
        )
    batch.define()
    huge = {"resourceRequirements": [{"type": "MEMORY", "value": str(2**19)}]}
    job_id = batch.submit(jobQueue="theirs-100", containerOverrides=huge)
    batch.turn()
    protocol = replace(wire_protocol(batch.broker), upstream=batch.upstream)
    limits = TimeLimits(protocol, lambda: True)
    limits.run()
    batch.clock.now_s += 600
    limits.run()
    assert batch.describe(job_id)["statusReason"] == CANCELLED


def test_awss_refusals_are_told_as_they_are(batch: Batch) -> None:
    with pytest.raises(ClientError) as caught:
        batch.client.create_job_queue(jobQueueName="q", priority=1, computeEnvironmentOrder=[])
    told = refusal(caught.value)
    assert told == ("ClientException", 400, "At least 1 compute environment must be provided")
    with pytest.raises(ClientError, match="JobDefinition name none does not exist"):
        batch.submit(jobDefinition="none")


def test_aws_out_of_reach_is_a_server_exception(
    aws: Batch, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*args: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="https://batch.example")

    monkeypatch.setattr(aws.client, "_make_api_call", unreachable)
    with pytest.raises(ClientError) as caught:
        batch.client.describe_job_definitions()
    code, status, words = refusal(caught.value)
    assert (code, status) == ("ServerException", 503)
    assert "https://batch.example" in words


def test_aws_is_asked_once_what_a_definition_says_and_jobs_are_told_while_it_is_away(
    aws: Batch, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_ec2 = {"platformCapabilities": ["EC2"]}
    first, second = batch.define("first", **on_ec2), batch.define("second", **on_ec2)
    known, other = batch.submit(jobDefinition=first), batch.submit(jobDefinition=second)
    before = batch.describe(known)

    def unreachable(*args: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="https://batch.example")

    with monkeypatch.context() as away:
        away.setattr(aws.client, "_make_api_call", unreachable)
        batch.clock.now_s += 60
        assert batch.describe(known) == before
        told = batch.describe(other)
        assert (told["status"], told["platformCapabilities"]) == ("SUBMITTED", [])
    assert batch.describe(other)["platformCapabilities"] == ["EC2"]


def test_a_jobs_tags_are_the_brokers_and_others_awss(aws: Batch, batch: Batch) -> None:
    arn = batch.define("d")
    job = batch.describe(batch.submit(jobDefinition="d"))["jobArn"]
    for one in (arn, job):
        batch.client.tag_resource(resourceArn=one, tags={"a": "b"})
        assert batch.client.list_tags_for_resource(resourceArn=one)["tags"] == {"a": "b"}
    assert aws.client.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "b"}


def test_what_the_broker_knows_nothing_of_is_handed_on(batch: Batch) -> None:
    with pytest.raises(ClientError, match="without AWS Batch behind the broker"):
        batch.client.describe_service_job(jobId="x")  # said by the one that stands for AWS


NODES = {
    "type": "multinode",
    "nodeProperties": {
        "numNodes": 2,
        "mainNode": 0,
        "nodeRangeProperties": [
            {
                "targetNodes": "0:1",
                "container": {"image": "busybox", "vcpus": 1, "memory": 128, "command": ["train"]},
            }
        ],
    },
}
ASKED = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}]
WIDE = {"resourceRequirements": [{"type": "MEMORY", "value": "1024"}]}
ALONE = {"name": "main", "image": "busybox", "command": ["x"], "resourceRequirements": ASKED}
LOG = {"name": "log", "image": "fluent", "essential": False, "resourceRequirements": ASKED}

LIMITS = {"limits": {"cpu": "1", "memory": "128Mi"}}
INSIDE = {"image": "busybox", "command": ["x"], "resources": LIMITS}
POD = {"type": "container", "eksProperties": {"podProperties": {"containers": [INSIDE]}}}
A_RANGE = {"targetNodes": ":", "eksProperties": POD["eksProperties"]}
OF_PODS = {
    "type": "multinode",
    "nodeProperties": {"numNodes": 1, "mainNode": 0, "nodeRangeProperties": [A_RANGE]},
}


def in_task(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    task = {"containers": list(containers)} | more
    return {"type": "container", "ecsProperties": {"taskProperties": [task]}}


@pytest.mark.parametrize(
    ("definition", "got"),
    [
        (POD, "d:1, one of pods"),
        (OF_PODS, "d:1, one whose nodes are pods"),
        (in_task(ALONE, LOG), "d:1, one of 2 containers"),
        (in_task(ALONE, pidMode="host"), "d:1, one with pidMode"),
    ],
)
def test_what_only_aws_can_run_is_refused_as_it_is_submitted_and_does_not_wait_for_ever(
    aws: Batch, batch: Batch, definition: dict[str, Any], got: str
) -> None:
    aws.client.register_job_definition(jobDefinitionName="d", **definition)
    with pytest.raises(ClientError, match=f"jobDefinition: got '{got}'; .* of a container"):
        batch.submit(jobDefinition="d")
    define = Definer(
        Source(aws.broker.shelf, BatchUpstream(aws.client)),
        Place("eu-central-1", "123456789012"),
        Recent(time.time),
    )
    with pytest.raises(InvalidInput, match=got):
        define(Job(name="several", definition="d"))


def test_nodes_are_taken_as_they_are_asked_for_and_each_is_told_where_aws_has_it(
    aws: Batch, batch: Batch
) -> None:
    aws.client.register_job_definition(jobDefinitionName="d", **NODES)
    overrides = {"nodePropertyOverrides": [{"targetNodes": "1", "containerOverrides": WIDE}]}
    job_id = batch.submit(jobDefinition="d", nodeOverrides=overrides)

    job = batch.broker.store.job(JobId(job_id)).job
    assert (job.command, job.resources.vcpu, job.resources.memory_mib) == (("train",), 2, 1152)
    assert job.batch["nodeOverrides"] == overrides
    assert batch.describe(job_id)["nodeProperties"]["numNodes"] == 2
    assert batch.describe(f"{job_id}#1")["nodeDetails"] == {"nodeIndex": 1, "isMainNode": False}
    with pytest.raises(ClientError, match="arrayProperties: got an object"):
        batch.submit(jobDefinition="d", arrayProperties={"size": 2})


def test_a_task_of_one_container_and_what_was_made_for_fargate_run_on_instances(
    aws: Batch, batch: Batch
) -> None:
    platform = {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"}
    role = "arn:aws:iam::123456789012:role/execution"
    for_fargate = {"runtimePlatform": platform, "executionRoleArn": role}
    made = in_task(ALONE, **for_fargate) | {"platformCapabilities": ["FARGATE"]}
    aws.client.register_job_definition(jobDefinitionName="d", **made)
    order = [{"order": 1, "computeEnvironment": "headgate"}]
    aws.client.create_job_queue(jobQueueName="theirs", priority=1, computeEnvironmentOrder=order)

    record = batch.broker.store.job(JobId(batch.submit(jobDefinition="d", jobQueue="theirs")))

    assert record.job.command == ("x",)
    assert (record.job.resources.memory_mib, record.job.resources.arch) == (2048, "arm64")


def test_where_awss_definitions_log_is_left_to_aws(aws: Batch, batch: Batch) -> None:
    log = {"logDriver": "awslogs", "options": {"awslogs-group": "/theirs"}}
    container = {"image": "busybox", "vcpus": 1, "memory": 128, "command": ["x"]}
    aws.define("d", containerProperties=container | {"logConfiguration": log})
    record = batch.broker.store.job(JobId(batch.submit(jobDefinition="d")))
    assert record.job.batch == {}
