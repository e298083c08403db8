from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.queue_broker.wire.batch import ACCOUNT, REGION, Batch, an_environment

HERE = {"computeEnvironment": "headgate"}
HERE_ARN = f"arn:aws:batch:{REGION}:{ACCOUNT}:compute-environment/headgate"
POLICY_ARN = f"arn:aws:batch:{REGION}:{ACCOUNT}:scheduling-policy/none"


def a_queue(client: Any, name: str = "queue", **more: Any) -> str:
    order = [{"order": 1, "computeEnvironment": an_environment(client, f"{name}-env")}]
    given: dict[str, Any] = {"priority": 10, "computeEnvironmentOrder": order}
    return str(client.create_job_queue(jobQueueName=name, **(given | more))["jobQueueArn"])


def queue(client: Any, name: str = "queue") -> dict[str, Any]:
    return dict(client.describe_job_queues(jobQueues=[name])["jobQueues"][0])


def test_the_queues_that_the_configuration_names_are_there(client: Any) -> None:
    found = client.describe_job_queues()["jobQueues"]
    assert {"default", "production", "interactive", "sweep"} <= {
        one["jobQueueName"] for one in found
    }
    first = found[0]["computeEnvironmentOrder"][0]["computeEnvironment"]
    asked = client.describe_compute_environments(computeEnvironments=[first])
    assert asked["computeEnvironments"][0]["computeResources"]["type"] == "EC2"


def test_a_queue_is_created_changed_and_deleted(client: Any) -> None:
    arn = a_queue(client, tags={"a": "b"})
    assert arn == f"arn:aws:batch:{REGION}:{ACCOUNT}:job-queue/queue"
    told = queue(client, arn)
    assert (told["state"], told["status"], told["priority"]) == ("ENABLED", "VALID", 10)
    assert told["tags"] == {"a": "b"}
    client.update_job_queue(jobQueue=arn, priority=20, state="DISABLED")
    assert (queue(client)["priority"], queue(client)["state"]) == (20, "DISABLED")
    client.delete_job_queue(jobQueue="queue")
    assert client.describe_job_queues(jobQueues=["queue"])["jobQueues"] == []
    client.delete_job_queue(jobQueue="queue")


def test_a_queue_that_is_enabled_is_not_deleted(client: Any) -> None:
    a_queue(client)
    with pytest.raises(ClientError, match="must be DISABLED"):
        client.delete_job_queue(jobQueue="queue")


def test_a_name_is_taken_once(client: Any) -> None:
    a_queue(client)
    for name in ("queue", "default"):
        with pytest.raises(ClientError, match="Object already exists"):
            client.create_job_queue(
                jobQueueName=name,
                priority=1,
                computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "queue-env"}],
            )
    with pytest.raises(ClientError, match="Object already exists"):
        an_environment(client, "queue-env")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"state": "JUNK"}, "enum value set: [ENABLED, DISABLED]"),
        ({"computeEnvironmentOrder": []}, "At least 1 compute environment must be provided"),
        (
            {"computeEnvironmentOrder": [{"order": 1, "computeEnvironment": "none"}]},
            "must be created and valid before attaching them to a job queue",
        ),
        (
            {"computeEnvironmentOrder": [{"order": 1, "computeEnvironment": "headgate"}] * 2},
            "Duplicate ComputeEnvironment order values.",
        ),
        (
            {"computeEnvironmentOrder": [{"order": at, **HERE} for at in range(2)]},
            "Duplicate ComputeEnvironments within order list.",
        ),
        ({"schedulingPolicyArn": HERE_ARN}, "Only scheduling policy Arn can be allowed."),
        ({"schedulingPolicyArn": POLICY_ARN}, f"SchedulingPolicy {POLICY_ARN} not found."),
        (
            {"computeEnvironmentOrder": [{"order": 1, "computeEnvironment": "headgate"}] * 4},
            "Only 3 environments are allowed in job queue request.",
        ),
        ({"priority": 1001}, "less than or equal to 1000"),
        (
            {
                "jobStateTimeLimitActions": [
                    {
                        "reason": "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
                        "state": "RUNNABLE",
                        "maxTimeSeconds": 599,
                        "action": "CANCEL",
                    }
                ]
            },
            "greater than or equal to 600",
        ),
        ({"jobQueueName": "a b"}, "Job Queue name should match a valid pattern."),
    ],
)
def test_a_bad_queue_is_refused(client: Any, more: dict[str, Any], words: str) -> None:
    given = {
        "jobQueueName": "queue",
        "priority": 1,
        "computeEnvironmentOrder": [{"order": 1, "computeEnvironment": "headgate"}],
    }
    with pytest.raises(ClientError) as caught:
        client.create_job_queue(**(given | more))
    assert words in str(caught.value)


def test_a_queue_has_environments_of_one_kind(client: Any) -> None:
    resources = {"type": "FARGATE", "maxvCpus": 4, "subnets": ["a"], "securityGroupIds": ["b"]}
    client.create_compute_environment(
        computeEnvironmentName="fargate", type="MANAGED", computeResources=resources
    )
    names = ["fargate", an_environment(client), "headgate"]
    order = [{"order": at, "computeEnvironment": name} for at, name in enumerate(names)]
    given = {"jobQueueName": "queue", "priority": 1}
    client.create_job_queue(**given, computeEnvironmentOrder=order[:2])
    with pytest.raises(ClientError, match="All attached Compute Environments must be of"):
        client.update_job_queue(jobQueue="queue", computeEnvironmentOrder=order)


def test_names_and_a_size_of_pages_are_not_asked_together(client: Any) -> None:
    with pytest.raises(ClientError, match="Exception : JobQueues and MaxResults cannot both be"):
        client.describe_job_queues(jobQueues=["default"], maxResults=1)
    with pytest.raises(ClientError, match="ComputeEnvironments and MaxResults cannot both be set"):
        client.describe_compute_environments(computeEnvironments=["headgate"], maxResults=1)


def test_shares_of_a_policy_do_not_overlap(client: Any) -> None:
    for names, words in (
        (
            ["UserA*", "UserA1"],
            r"Share identifier UserA1 matches another share identifier UserA\*.",
        ),
        (["a", "a"], "Cannot have two or more identical shareIdentifiers"),
    ):
        shares = [{"shareIdentifier": name} for name in names]
        with pytest.raises(ClientError, match=words):
            client.create_scheduling_policy(
                name="fair", fairsharePolicy={"shareDistribution": shares}
            )


def test_a_queue_without_a_policy_gets_none_later(client: Any) -> None:
    arn = client.create_scheduling_policy(name="fair")["arn"]
    a_queue(client)
    with pytest.raises(ClientError, match="made without a scheduling policy"):
        client.update_job_queue(jobQueue="queue", schedulingPolicyArn=arn)
    a_queue(client, "fair", schedulingPolicyArn=arn)
    client.update_job_queue(jobQueue="fair", schedulingPolicyArn=arn)


def test_an_environment_in_use_is_not_deleted(client: Any) -> None:
    a_queue(client)
    client.update_compute_environment(computeEnvironment="queue-env", state="DISABLED")
    with pytest.raises(ClientError, match="Cannot delete, found existing JobQueue relationship"):
        client.delete_compute_environment(computeEnvironment="queue-env")
    client.update_job_queue(jobQueue="queue", state="DISABLED")
    client.delete_job_queue(jobQueue="queue")
    client.delete_compute_environment(computeEnvironment="queue-env")
    asked = client.describe_compute_environments(computeEnvironments=["queue-env"])
    assert asked["computeEnvironments"] == []


def test_a_queue_is_of_its_environments_type(client: Any) -> None:
    resources = {"type": "FARGATE", "maxvCpus": 8, "subnets": ["a"], "securityGroupIds": ["b"]}
    arn = f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/c"
    cluster = {"eksClusterArn": arn, "kubernetesNamespace": "n"}
    on_ec2 = resources | {"type": "EC2", "minvCpus": 0, "instanceRole": "r"}
    on_ec2["instanceTypes"] = ["optimal"]
    on_eks = {
        "computeResources": on_ec2 | {"allocationStrategy": "BEST_FIT_PROGRESSIVE"},
        "eksConfiguration": cluster,
    }
    for name, more in (("fargate", {"computeResources": resources}), ("eks", on_eks)):
        client.create_compute_environment(computeEnvironmentName=name, type="MANAGED", **more)
        order = [{"order": 1, "computeEnvironment": name}]
        client.create_job_queue(jobQueueName=name, priority=1, computeEnvironmentOrder=order)
    a_queue(client)
    told = {one["jobQueueName"]: one for one in client.describe_job_queues()["jobQueues"]}
    types = {name: one["jobQueueType"] for name, one in told.items()}
    assert types["fargate"] == "ECS_FARGATE"
    assert types["eks"] == "EKS"
    assert types["queue"] == types["default"] == "ECS"


def test_queues_come_in_pages(client: Any) -> None:
    pages = list(
        client.get_paginator("describe_job_queues").paginate(PaginationConfig={"PageSize": 3})
    )
    names = [one["jobQueueName"] for page in pages for one in page["jobQueues"]]
    assert len(pages) == 2
    assert names == sorted(names)


def test_an_empty_token_asks_for_the_first_page(client: Any, batch: Batch) -> None:
    job_id = batch.submit()
    batch.turn()
    first = client.describe_job_queues(maxResults=2)
    assert client.describe_job_queues(maxResults=2, nextToken="")["jobQueues"] == first["jobQueues"]
    (listed,) = client.list_jobs(jobQueue="default", jobStatus="SUCCEEDED", nextToken="")[
        "jobSummaryList"
    ]
    assert listed["jobId"] == job_id


def test_a_token_that_was_never_answered_is_refused(client: Any) -> None:
    with pytest.raises(ClientError, match="nextToken"):
        client.describe_job_queues(nextToken="nonsense!")


def test_a_policy_is_created_changed_listed_and_deleted(client: Any) -> None:
    share = [{"shareIdentifier": "A", "weightFactor": 0.5}]
    arn = client.create_scheduling_policy(
        name="fair", fairsharePolicy={"shareDistribution": share}
    )["arn"]
    client.update_scheduling_policy(arn=arn, fairsharePolicy={"shareDecaySeconds": 60})
    told = client.describe_scheduling_policies(arns=[arn])["schedulingPolicies"][0]
    assert told["fairsharePolicy"]["shareDecaySeconds"] == 60
    a_queue(client, schedulingPolicyArn=arn)
    with pytest.raises(ClientError, match="a policy no queue uses"):
        client.delete_scheduling_policy(arn=arn)
    client.update_job_queue(jobQueue="queue", state="DISABLED")
    client.delete_job_queue(jobQueue="queue")
    client.delete_scheduling_policy(arn=arn)
    assert client.list_scheduling_policies()["schedulingPolicies"] == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"jobQueueType": "EKS"}, "EKS job queue type must have EKS compute environment"),
        ({"jobQueueType": "ECS_FARGATE"}, "got ECS_FARGATE; allowed: ECS, by its compute"),
        ({"jobQueueType": "ECS"}, None),
        (
            {"serviceEnvironmentOrder": [{"order": 1, "serviceEnvironment": "s"}]},
            "none beside computeEnvironmentOrder",
        ),
    ],
)
def test_a_queue_is_of_the_kind_that_its_environments_are(
    client: Any, more: dict[str, Any], words: str | None
) -> None:
    an_environment(client)
    order = [{"order": 1, "computeEnvironment": "env"}]
    asked = {"jobQueueName": "q", "priority": 1, "computeEnvironmentOrder": order} | more
    if words is None:
        client.create_job_queue(**asked)
        return
    with pytest.raises(ClientError, match=words):
        client.create_job_queue(**asked)


def test_a_job_that_waits_too_long_in_a_queue_is_cancelled_and_not_terminated(client: Any) -> None:
    action = {"reason": "r", "state": "RUNNABLE", "maxTimeSeconds": 600, "action": "TERMINATE"}
    a_queue(client)
    with pytest.raises(ClientError, match=r"Invalid job action. Valid job actions: \[CANCEL\]"):
        client.update_job_queue(jobQueue="queue", jobStateTimeLimitActions=[action])
    twice = [action | {"action": "CANCEL"}] * 2
    with pytest.raises(ClientError, match="Duplicate job state limit actions are not allowed"):
        client.update_job_queue(jobQueue="queue", jobStateTimeLimitActions=twice)
    client.update_job_queue(
        jobQueue="queue", jobStateTimeLimitActions=[action | {"action": "CANCEL"}]
    )


def test_a_queues_policy_is_replaced_and_never_removed(client: Any) -> None:
    arn = client.create_scheduling_policy(name="fair", fairsharePolicy={})["arn"]
    an_environment(client)
    order = [{"order": 1, "computeEnvironment": "env"}]
    client.create_job_queue(
        jobQueueName="q", priority=1, computeEnvironmentOrder=order, schedulingPolicyArn=arn
    )
    client.update_job_queue(jobQueue="q", schedulingPolicyArn=arn)
    with pytest.raises(ClientError, match="never none again"):
        client.update_job_queue(jobQueue="q", schedulingPolicyArn="")


def test_a_queue_that_there_is_not_is_told_by_its_arn_when_it_is_changed(client: Any) -> None:
    words = "arn:aws:batch:eu-central-1:123456789012:job-queue/none does not exist"
    with pytest.raises(ClientError, match=words):
        client.update_job_queue(jobQueue="none", state="DISABLED")


def test_a_policy_of_quota_shares_is_for_service_jobs(client: Any) -> None:
    quota = {"idleResourceAssignmentStrategy": "FIFO"}
    arn = client.create_scheduling_policy(name="quota", quotaSharePolicy=quota)["arn"]
    with pytest.raises(ClientError, match="only supported for SageMaker Training job queues"):
        a_queue(client, schedulingPolicyArn=arn)


def test_a_policy_is_of_one_kind_and_stays_so(client: Any) -> None:
    quota = {"idleResourceAssignmentStrategy": "FIFO"}
    with pytest.raises(ClientError, match="can have either fairsharePolicy or quotaSh"):
        client.create_scheduling_policy(name="both", fairsharePolicy={}, quotaSharePolicy=quota)
    arn = client.create_scheduling_policy(name="fair", fairsharePolicy={})["arn"]
    with pytest.raises(ClientError, match="other kind"):
        client.update_scheduling_policy(arn=arn, quotaSharePolicy=quota)
