from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from headgate.job import Dependency
from headgate.lifecycle import State
from queue_broker.settings import QueueRule
from tests.unit.queue_broker.wire.batch import ACCOUNT, REGION, Batch, record, refusal

#: Named as a queue that is there.
ENVIRONMENT_ARN = "arn:aws:batch:us-east-1:123456789012:compute-environment/default"


def test_a_submission_is_answered_with_id_name_and_arn(batch: Batch) -> None:
    answer = batch.client.submit_job(jobName="j", jobQueue="default", jobDefinition="plain")
    assert answer["jobName"] == "j"
    assert answer["jobArn"] == f"arn:aws:batch:{REGION}:{ACCOUNT}:job/{answer['jobId']}"


def test_what_the_request_leaves_out_comes_from_the_definition(batch: Batch) -> None:
    batch.define(
        "full",
        containerProperties={
            "image": "python:3.12",
            "command": ["python", "Ref::script"],
            "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}],
            "resourceRequirements": [
                {"type": "VCPU", "value": "0.5"},
                {"type": "MEMORY", "value": "512"},
                {"type": "GPU", "value": "1"},
            ],
        },
        parameters={"script": "a.py", "depth": "3"},
        retryStrategy={"attempts": 3},
        timeout={"attemptDurationSeconds": 90},
        schedulingPriority=7,
    )
    job_id = batch.submit(
        jobDefinition="full",
        parameters={"depth": "4"},
        containerOverrides={
            "environment": [{"name": "B", "value": "2"}],
            "resourceRequirements": [{"type": "MEMORY", "value": "1024"}],
        },
    )
    job = record(batch, job_id).job
    assert job.definition == "full:1"
    assert job.image == "python:3.12"
    assert job.command == ("python", "Ref::script")
    assert job.environment == {"A": "1", "B": "2"}
    assert job.parameters == {"script": "a.py", "depth": "4"}
    asked = job.resources
    assert (asked.vcpu, asked.memory_mib, asked.gpus, asked.ceiling) == (0.5, 1024, 1, False)
    assert (job.retry_strategy.attempts, job.timeout_s, job.priority) == (3, 90, 7)


def test_what_the_request_says_goes_before_its_definition(batch: Batch) -> None:
    batch.define("retries", retryStrategy={"attempts": 3}, timeout={"attemptDurationSeconds": 90})
    job = record(
        batch,
        batch.submit(
            jobDefinition="retries",
            containerOverrides={"command": ["true"], "vcpus": 4, "memory": 4096},
            retryStrategy={"attempts": 1},
            timeout={"attemptDurationSeconds": 60},
            schedulingPriorityOverride=9,
        ),
    ).job
    assert job.command == ("true",)
    assert (job.resources.vcpu, job.resources.memory_mib) == (4, 4096)
    assert (job.retry_strategy.attempts, job.timeout_s, job.priority) == (1, 60, 9)


def test_a_bare_name_means_the_newest_active_revision(batch: Batch) -> None:
    second = batch.define()
    third = batch.define()
    assert record(batch, batch.submit()).job.definition == "plain:3"
    batch.client.deregister_job_definition(jobDefinition=third)
    assert record(batch, batch.submit()).job.definition == "plain:2"
    assert record(batch, batch.submit(jobDefinition="plain:1")).job.definition == "plain:1"
    assert record(batch, batch.submit(jobDefinition=second)).job.definition == "plain:2"


def test_an_array_is_a_sweep_without_rows(batch: Batch) -> None:
    found = record(batch, batch.submit(arrayProperties={"size": 10_000}))
    assert (found.size, found.array) == (10_000, True)


def test_an_array_may_be_larger_than_aws_batch_allows(batch: Batch) -> None:
    assert record(batch, batch.submit(arrayProperties={"size": 1_000_000})).size == 1_000_000


def test_a_placeholder_without_a_parameter_is_refused_as_aws_refuses_it(batch: Batch) -> None:
    words = r"operation.*: Unable to substitute value. No parameter found for reference who$"
    asked = {"command": ["greet", "--name=Ref::who", "Ref::where"]}
    for more in ({}, {"arrayProperties": {"size": 2}}):
        with pytest.raises(ClientError, match=words):
            batch.submit(containerOverrides=asked, parameters={"where": "here"}, **more)


def test_dependencies_may_be_task_by_task(batch: Batch) -> None:
    first = batch.submit(arrayProperties={"size": 3})
    second = record(
        batch,
        batch.submit(
            arrayProperties={"size": 3},
            dependsOn=[{"jobId": first, "type": "N_TO_N"}, {"type": "SEQUENTIAL"}],
        ),
    )
    assert second.job.depends_on[0] == Dependency(job_id=first, type="N_TO_N")
    assert second.job.depends_on[1].type == "SEQUENTIAL"
    batch.turn()
    told = batch.describe(second.job_id)
    assert told["status"] == "SUCCEEDED"
    assert told["dependsOn"][1] == {"jobId": second.job_id, "type": "SEQUENTIAL"}


def test_sequential_with_a_job_is_a_plain_dependency(batch: Batch) -> None:
    first = batch.submit()
    job_id = batch.submit(dependsOn=[{"jobId": first, "type": "SEQUENTIAL"}])
    assert batch.describe(job_id)["dependsOn"] == [{"jobId": first}]


def test_a_job_waits_for_the_one_that_it_depends_on(batch: Batch) -> None:
    batch.engine.at_once = False
    first = batch.submit()
    second = batch.submit(dependsOn=[{"jobId": first}])
    batch.turn()
    assert batch.describe(second)["status"] == "PENDING"
    batch.engine.finish(f"{first}-1")
    batch.turn()
    assert batch.describe(second)["status"] == "RUNNING"


def test_a_share_identifier_is_a_tenant(batch: Batch) -> None:
    job_id = batch.submit(shareIdentifier="teamA", schedulingPriorityOverride=5)
    assert record(batch, job_id).tenant == "teamA"
    told = batch.describe(job_id)
    assert (told["shareIdentifier"], told["schedulingPriority"]) == ("teamA", 5)


def test_tags_speak_to_the_broker(batch: Batch) -> None:
    tags = {"headgate:tier": "production", "headgate:ceiling": "true", "team": "x"}
    found = record(batch, batch.submit(tags=tags))
    assert found.tier == "production"
    assert found.job.resources.ceiling
    assert found.job.tags == tags


def test_what_only_batch_understands_is_carried_along(batch: Batch) -> None:
    job_id = batch.submit(
        propagateTags=True, containerOverrides={"instanceType": "m5.large", "command": ["true"]}
    )
    assert record(batch, job_id).job.batch == {
        "propagateTags": True,
        "containerOverrides": {"instanceType": "m5.large"},
    }
    assert batch.describe(job_id)["propagateTags"] is True


def test_the_queue_says_tier_and_tenant(database_url: str, tmp_path: Any) -> None:
    rule = QueueRule(tier="production", tenant="ops")
    batch = Batch(database_url, tmp_path, queues={"prod-queue": rule})
    batch.define()
    arn = f"arn:aws:batch:{REGION}:{ACCOUNT}:job-queue/prod-queue"
    found = record(batch, batch.submit(jobQueue=arn))
    batch.close()
    assert (found.tier, found.tenant, found.job.queue) == ("production", "ops", "prod-queue")


def test_a_call_that_the_sdk_tries_again_gives_the_same_job(batch: Batch) -> None:
    def same_call(request: Any, **kwargs: Any) -> None:
        request.headers["amz-sdk-invocation-id"] = "one-call"

    batch.client.meta.events.register_first("before-send.batch.SubmitJob", same_call)
    first, second = batch.submit(), batch.submit()
    assert first == second
    assert record(batch, first).counts[State.SUBMITTED] == 1


def test_two_calls_of_equal_content_are_two_jobs(batch: Batch) -> None:
    assert batch.submit() != batch.submit()


SLIGHTLY_TOO_MUCH: list[tuple[dict[str, Any], str]] = [
    ({"arrayProperties": {"size": 1}}, "arrayProperties.size"),
    ({"arrayProperties": {"size": 100_000_001}}, "arrayProperties.size"),
    ({"dependsOn": [{"jobId": "x"}] * 21}, "Job cannot have more than 20 dependencies"),
    ({"retryStrategy": {"attempts": 0}}, "RetryAttempts must be between 1 and 10."),
    ({"retryStrategy": {"attempts": 11}}, "RetryAttempts must be between 1 and 10."),
    (
        {"retryStrategy": {"evaluateOnExit": [{"action": "EXIT", "onExitCode": "1"}] * 6}},
        "retryStrategy.evaluateOnExit",
    ),
    (
        {"retryStrategy": {"attempts": 2, "evaluateOnExit": [{"action": "EXIT"}]}},
        "EvaluateOnExit should contain at least one of onExitCode, onReason or onStatusReason",
    ),
    ({"retryStrategy": {"evaluateOnExit": [{"action": "MAYBE"}]}}, "RETRY, EXIT"),
    (
        {"timeout": {"attemptDurationSeconds": 59}},
        "AttemptDurationSeconds in Timeout must be at least 60 seconds.",
    ),
    ({"schedulingPriorityOverride": 10_000}, "schedulingPriorityOverride"),
    ({"timeout": {"attemptDurationSeconds": 2**31}}, "allowed: an integer of 32 bits"),
    (
        {"containerOverrides": {"resourceRequirements": [{"type": "MEMORY", "value": "3"}]}},
        "Memory must be at least 4 Mib, got 3 Mib.",
    ),
    ({"tags": {"aws:mine": "x"}}, "allowed: keys that do not begin with aws:"),
    ({"parameters": {"p": "a\0b"}}, "parameters.p: got 'a\\x00b'; allowed: text without NUL"),
    ({"jobName": "a" * 129}, "Job name should match valid pattern"),
    ({"jobName": "no spaces"}, "Job name should match valid pattern"),
    ({"tags": {str(at): "x" for at in range(51)}}, "less than or equal to 50"),
    ({"tags": {"k" * 129: "x"}}, "less than or equal to 128"),
    ({"tags": {"k": "v" * 257}}, "less than or equal to 256"),
    ({"parameters": {"p": "x" * 30 * 1024}}, "Job size must be less than 30 KiB, got 31 KiB"),
    ({"jobQueue": "nowhere"}, "JobQueue nowhere not found."),
    ({"jobQueue": ENVIRONMENT_ARN}, f"JobQueue {ENVIRONMENT_ARN} not found."),
    ({"jobDefinition": "none"}, "JobDefinition name none does not exist or is not in ACTIVE"),
    ({"jobDefinition": "plain:2"}, "JobDefinition name plain:2 does not exist"),
    ({"jobDefinition": "plain:latest"}, "not supported pattern"),
    ({"dependsOn": [{"jobId": "unknown"}]}, "dependsOn.1.jobId: got 'unknown'"),
    ({"dependsOn": [{"type": "SEQUENTIAL"}]}, "SEQUENTIAL"),
    ({"shareIdentifier": "a b"}, "shareIdentifier"),
    (
        {"containerOverrides": {"resourceRequirements": [{"type": "VCPU", "value": "many"}]}},
        "resourceRequirements.VCPU: got 'many'",
    ),
]


@pytest.mark.parametrize(("more", "words"), SLIGHTLY_TOO_MUCH)
def test_one_beyond_each_limit_is_a_client_exception(
    batch: Batch, more: dict[str, Any], words: str
) -> None:
    with pytest.raises(batch.client.exceptions.ClientException) as caught:
        batch.submit(**more)
    code, status, message = refusal(caught.value)
    assert (code, status) == ("ClientException", 400)
    assert words in message


def test_a_disabled_queue_takes_no_jobs_and_tells_of_those_it_has(batch: Batch) -> None:
    job_id = batch.submit()
    batch.client.update_job_queue(jobQueue="default", state="DISABLED")
    with pytest.raises(ClientError, match="DISABLED"):
        batch.submit()
    named = [{"name": "JOB_NAME", "values": ["*"]}]
    listed = batch.client.list_jobs(jobQueue="default", filters=named)["jobSummaryList"]
    assert [one["jobId"] for one in listed] == [job_id]
    assert batch.client.get_job_queue_snapshot(jobQueue="default")["frontOfQueue"]


def test_a_tag_of_ours_that_makes_no_sense_is_refused_by_name(batch: Batch) -> None:
    with pytest.raises(ClientError) as refused:
        batch.submit(tags={"headgate:max-running": "-2"})
    code, status, words = refusal(refused.value)
    assert (code, status) == ("ClientException", 400)
    assert "tags.headgate:max-running: got '-2'" in words


def a_queue_on(batch: Batch, kind: str) -> str:
    """A queue whose environment is of that type; its name."""
    resources = {"maxvCpus": 4, "subnets": ["a"], "securityGroupIds": ["b"], "type": kind}
    if kind == "EC2":
        resources |= {"minvCpus": 0, "instanceRole": "r", "instanceTypes": ["optimal"]}
    batch.client.create_compute_environment(
        computeEnvironmentName=kind, type="MANAGED", computeResources=resources
    )
    order = [{"order": 1, "computeEnvironment": kind}]
    batch.client.create_job_queue(jobQueueName=kind, priority=1, computeEnvironmentOrder=order)
    return kind


def on_fargate(batch: Batch) -> str:
    """Define a job for Fargate; its name."""
    asked = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}]
    container = {"image": "x", "resourceRequirements": asked, "executionRoleArn": "role"}
    batch.define("small", containerProperties=container, platformCapabilities=["FARGATE"])
    return "small"


def test_a_queues_environments_run_what_a_job_is_for(batch: Batch) -> None:
    small, words = on_fargate(batch), "attached to Compute Environment that can not run Jobs with"
    fargate, ec2 = a_queue_on(batch, "FARGATE"), a_queue_on(batch, "EC2")
    batch.submit(jobQueue=ec2)
    batch.submit(jobQueue=fargate, jobDefinition=small)
    batch.submit(jobDefinition=small)  # the broker's own queues run all
    with pytest.raises(ClientError, match=rf"{words} capability EC2\.$"):
        batch.submit(jobQueue=fargate)
    with pytest.raises(ClientError, match=rf"{words} capability FARGATE\.$"):
        batch.submit(jobQueue=ec2, jobDefinition=small)


def test_a_job_on_fargate_overrides_no_legacy_amounts(batch: Batch) -> None:
    words = "vcpus is not applicable for Fargate. Use resource requirements instead"
    with pytest.raises(ClientError, match=words):
        batch.submit(jobDefinition=on_fargate(batch), containerOverrides={"vcpus": 1})


def a_fair_queue(batch: Batch) -> None:
    """A queue `fair` with a scheduling policy."""
    arn = batch.client.create_scheduling_policy(name="fair", fairsharePolicy={})["arn"]
    order = [{"order": 1, "computeEnvironment": "headgate"}]
    batch.client.create_job_queue(
        jobQueueName="fair", priority=1, computeEnvironmentOrder=order, schedulingPolicyArn=arn
    )


def test_a_queue_with_a_policy_wants_a_share_and_a_priority_in_awss_words(batch: Batch) -> None:
    a_fair_queue(batch)
    with pytest.raises(ClientError, match=r"operation.*: shareIdentifier must be specified\.$"):
        batch.submit(jobQueue="fair")
    words = "Either schedulingPriority in job definition or schedulingPriorityOverride should be"
    with pytest.raises(ClientError, match=words):
        batch.submit(jobQueue="fair", shareIdentifier="a")
    batch.submit(jobQueue="fair", shareIdentifier="a", schedulingPriorityOverride=1)
    batch.define("with-priority", schedulingPriority=1)
    batch.submit(jobQueue="fair", shareIdentifier="a", jobDefinition="with-priority")
