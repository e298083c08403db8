from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headgate.errors import InvalidInput
from headgate.job import Job
from queue_broker.core.submit import Caller
from queue_broker.wire.definitions import add_revision
from tests.unit.queue_broker.wire.batch import Batch

CONTAINER = {"image": "busybox", "vcpus": 1, "memory": 128}


def test_each_registration_is_the_next_revision(batch: Batch) -> None:
    again = batch.client.register_job_definition(
        jobDefinitionName="plain", type="container", containerProperties=CONTAINER
    )
    assert again["revision"] == 2
    assert again["jobDefinitionArn"].endswith(":job-definition/plain:2")


def test_a_definition_is_answered_as_it_was_given_with_the_services_defaults(batch: Batch) -> None:
    batch.define("d", parameters={"nf-token": "abc"}, tags={"a": "b"}, propagateTags=True)
    told = batch.client.describe_job_definitions(jobDefinitionName="d")["jobDefinitions"][0]
    assert told["status"] == "ACTIVE"
    assert told["parameters"] == {"nf-token": "abc"}
    assert told["tags"] == {"a": "b"}
    assert told["containerProperties"]["environment"] == []
    assert told["containerProperties"]["command"] == ["echo", "hello"]
    assert told["containerOrchestrationType"] == "ECS"


def test_lists_inside_of_what_was_given_are_told_empty_as_the_service_tells_them(
    batch: Batch,
) -> None:
    given = {"logConfiguration": {"logDriver": "awslogs"}, "linuxParameters": {"maxSwap": 0}}
    batch.define("d", containerProperties=CONTAINER | given)
    defined = batch.client.describe_job_definitions(jobDefinitionName="d")["jobDefinitions"][0]
    job = batch.describe(batch.submit(jobDefinition="d"))
    for told in (defined["containerProperties"], job["container"]):
        empty: dict[str, Any] = {"options": {}, "secretOptions": []}
        assert told["logConfiguration"] == {"logDriver": "awslogs"} | empty
        assert told["linuxParameters"] == {"maxSwap": 0, "devices": [], "tmpfs": []}


def test_a_definition_with_no_tags_in_its_tags_is_taken_as_the_service_takes_it(
    batch: Batch,
) -> None:
    batch.define("bare", tags={})
    assert batch.client.describe_job_definitions(jobDefinitionName="bare")["jobDefinitions"]


def test_a_revision_that_is_deregistered_is_inactive_and_its_number_is_not_used_again(
    batch: Batch,
) -> None:
    batch.client.deregister_job_definition(jobDefinition="plain:1")
    batch.client.deregister_job_definition(jobDefinition="plain:1")
    found = batch.client.describe_job_definitions(jobDefinitionName="plain")["jobDefinitions"]
    assert [one["status"] for one in found] == ["INACTIVE"]
    assert batch.define().endswith(":2")


def test_definitions_are_found_by_name_revision_arn_and_status(batch: Batch) -> None:
    arn = batch.define()
    batch.define("other")
    batch.client.deregister_job_definition(jobDefinition="plain:1")

    def found(**asked: Any) -> list[str]:
        answer = batch.client.describe_job_definitions(**asked)["jobDefinitions"]
        return [f"{one['jobDefinitionName']}:{one['revision']}" for one in answer]

    assert found() == ["other:1", "plain:2", "plain:1"]
    assert found(jobDefinitionName="plain") == ["plain:2", "plain:1"]
    assert found(jobDefinitionName="plain", status="ACTIVE") == ["plain:2"]
    assert found(jobDefinitions=[arn, "other:1", "none:1"]) == ["other:1", "plain:2"]


def test_many_definitions_come_in_pages(batch: Batch) -> None:
    for _ in range(4):
        batch.define()
    paginator = batch.client.get_paginator("describe_job_definitions")
    pages = list(paginator.paginate(PaginationConfig={"PageSize": 2}))
    revisions = [one["revision"] for page in pages for one in page["jobDefinitions"]]
    assert len(pages) == 3
    assert revisions == [5, 4, 3, 2, 1]


def test_actions_on_exit_are_answered_in_lower_case_as_aws_does(batch: Batch) -> None:
    rules = [{"action": "RETRY", "onExitCode": "1"}, {"action": "Exit", "onReason": "*"}]
    batch.define("r", retryStrategy={"attempts": 2, "evaluateOnExit": rules})
    told = batch.client.describe_job_definitions(jobDefinitionName="r")["jobDefinitions"][0]
    actions = [one["action"] for one in told["retryStrategy"]["evaluateOnExit"]]
    assert actions == ["retry", "exit"]


def asking(**requirements: str) -> dict[str, Any]:
    listed = [{"type": kind, "value": value} for kind, value in requirements.items()]
    return {"containerProperties": {"image": "x", "resourceRequirements": listed}}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"containerProperties": {"image": "x", "memory": 128}}, "vCPU is required."),
        (asking(MEMORY="512"), "vCPU is not provided."),
        ({"type": "multinode"}, "Node properties of multinode job is required."),
        ({"type": "pod"}, "container, multinode"),
        ({"schedulingPriority": 10_000}, "Scheduling priority must be between 0 and 9999."),
        ({"jobDefinitionName": "a b"}, "Job definition name should match a valid pattern."),
        ({"retryStrategy": {"attempts": 11}}, "RetryAttempts must be between 1 and 10."),
        (
            {"timeout": {"attemptDurationSeconds": 59}},
            "AttemptDurationSeconds in Timeout must be at least 60 seconds.",
        ),
    ],
)
def test_a_bad_definition_is_refused(batch: Batch, more: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {
        "jobDefinitionName": "d",
        "type": "container",
        "containerProperties": CONTAINER,
    }
    with pytest.raises(ClientError) as caught:
        batch.client.register_job_definition(**(given | more))
    assert words in str(caught.value)


def test_a_job_of_a_fargate_definition_has_one_of_fargates_sizes(batch: Batch) -> None:
    sized = asking(VCPU="0.25", MEMORY="512")
    sized["containerProperties"]["executionRoleArn"] = "role"
    batch.define("small", **sized, platformCapabilities=["FARGATE"])
    asked = {"resourceRequirements": [{"type": "MEMORY", "value": "1024"}]}
    batch.submit(jobDefinition="small", containerOverrides=asked)
    asked = {"resourceRequirements": [{"type": "MEMORY", "value": "4096"}]}
    words = (
        r"SubmitJob operation.*: Fargate resource requirements \(0.25 vCPU, 4096 MiB\) not valid."
    )
    with pytest.raises(ClientError, match=words):
        batch.submit(jobDefinition="small", containerOverrides=asked)


def test_names_and_a_size_of_pages_are_not_asked_together(batch: Batch) -> None:
    batch.define("d")
    with pytest.raises(ClientError, match="JobDefinitions and MaxResults cannot both be set"):
        batch.client.describe_job_definitions(jobDefinitions=["d"], maxResults=1)
    assert batch.client.describe_job_definitions(jobDefinitionName="d", maxResults=1)


def test_registering_at_once_gives_every_one_a_number_of_its_own(batch: Batch) -> None:
    shelf = batch.broker.shelf
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: add_revision(shelf, "many", {}).revision, range(8)))
    assert sorted(made) == list(range(1, 9))


def test_a_job_of_the_native_api_runs_what_its_definition_says(batch: Batch) -> None:
    job = Job(name="native", definition="plain")
    submission = batch.broker.submitter.prepare(job, Caller())
    assert submission.job.command == ("echo", "hello")
    assert submission.job.resources.memory_mib == 128
    with pytest.raises(InvalidInput, match="a job definition that this broker knows"):
        batch.broker.submitter.prepare(Job(name="native", definition="none"), Caller())


def test_a_job_of_the_native_api_with_a_command_of_its_own_takes_the_rest_from_its_definition(
    batch: Batch,
) -> None:
    batch.define("full", parameters={"p": "1"}, timeout={"attemptDurationSeconds": 99})
    job = Job(name="native", definition="full", command=("run", "Ref::p"))

    submission = batch.broker.submitter.prepare(job, Caller())

    assert submission.job.command == ("run", "Ref::p")
    assert (submission.job.parameters, submission.job.timeout_s) == ({"p": "1"}, 99)
    assert (submission.job.image, submission.job.definition) == ("busybox", "full:1")
    named = job.model_copy(update={"definition": "a-name-alone"})
    assert batch.broker.submitter.prepare(named, Caller()).job == named
