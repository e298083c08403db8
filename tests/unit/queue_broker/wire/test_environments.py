"""Compute environments, through boto3."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.queue_broker.wire.batch import an_environment

ON_EC2: dict[str, Any] = {
    "type": "EC2",
    "minvCpus": 0,
    "maxvCpus": 8,
    "subnets": ["a"],
    "securityGroupIds": ["g"],
    "instanceRole": "any",
    "instanceTypes": ["optimal"],
}


def test_an_environments_resources_are_changed_one_by_one(client: Any) -> None:
    profile = "arn:aws:iam::123456789012:instance-profile/any"
    resources = ON_EC2 | {"instanceRole": profile}
    client.create_compute_environment(
        computeEnvironmentName="managed", type="MANAGED", computeResources=resources
    )
    client.update_compute_environment(
        computeEnvironment="managed", computeResources={"maxvCpus": 16}
    )
    told = client.describe_compute_environments(computeEnvironments=["managed"])
    assert told["computeEnvironments"][0]["computeResources"] == resources | {"maxvCpus": 16}


def test_a_managed_environment_needs_resources(client: Any) -> None:
    with pytest.raises(ClientError, match="computeResources"):
        client.create_compute_environment(computeEnvironmentName="managed", type="MANAGED")
    resources: dict[str, Any] = {"type": "SPOT", "maxvCpus": 8, "subnets": ["a"]}
    for words in ("Instance role is required.", "Resource minvCpus is required."):
        with pytest.raises(ClientError, match=words):
            client.create_compute_environment(
                computeEnvironmentName="managed", type="MANAGED", computeResources=resources
            )
        resources["instanceRole"] = "any"


def test_an_instance_type_that_cannot_be_one_is_refused(client: Any) -> None:
    resources = ON_EC2 | {"type": "SPOT", "spotIamFleetRole": "any"}
    resources["instanceTypes"] = ["m5", "c7i.16xlarge", "optimal"]
    named = {"computeEnvironmentName": "managed", "type": "MANAGED"}
    client.create_compute_environment(**named, computeResources=resources)
    resources["instanceTypes"] = ["m5.large", "unknown"]
    with pytest.raises(ClientError, match=r"Instance type can only be one of .* got unknown"):
        client.create_compute_environment(**named, computeResources=resources)
    with pytest.raises(ClientError, match="Instance type can only be one of"):
        client.update_compute_environment(
            computeEnvironment="managed", computeResources={"instanceTypes": ["unknown"]}
        )


def test_the_role_of_instances_is_their_profile(client: Any) -> None:
    resources = ON_EC2 | {"instanceRole": "arn:aws:iam::123456789012:role/any"}
    with pytest.raises(ClientError, match="should be an ECS Instance Profile ARN"):
        client.create_compute_environment(
            computeEnvironmentName="managed", type="MANAGED", computeResources=resources
        )


def test_only_an_unmanaged_environment_needs_a_service_role(client: Any) -> None:
    with pytest.raises(ClientError, match="ServiceRole is required"):
        client.create_compute_environment(computeEnvironmentName="env", type="UNMANAGED")
    an_environment(client)
    client.update_compute_environment(computeEnvironment="env", serviceRole="of nobody")
    told = client.describe_compute_environments(computeEnvironments=["env"])
    assert told["computeEnvironments"][0]["serviceRole"] == "of nobody"


def test_an_environment_has_another_uuid_each_time_it_is_made(client: Any) -> None:
    def made() -> str:
        an_environment(client)
        told = client.describe_compute_environments(computeEnvironments=["env"])
        return str(told["computeEnvironments"][0]["uuid"])

    first = made()
    client.update_compute_environment(computeEnvironment="env", state="DISABLED")
    client.delete_compute_environment(computeEnvironment="env")
    assert made() != first


def test_a_change_of_no_resources_leaves_them_as_they_are(client: Any) -> None:
    resources = ON_EC2
    client.create_compute_environment(
        computeEnvironmentName="managed", type="MANAGED", computeResources=resources
    )
    client.update_compute_environment(computeEnvironment="managed", computeResources={})
    told = client.describe_compute_environments(computeEnvironments=["managed"])
    assert told["computeEnvironments"][0]["computeResources"] == resources


def test_an_environment_that_there_is_not_is_told_by_its_arn(client: Any) -> None:
    words = "arn:aws:batch:eu-central-1:123456789012:compute-environment/none does not exist"
    with pytest.raises(ClientError, match=words):
        client.update_compute_environment(computeEnvironment="none", state="DISABLED")


def test_an_environment_is_made_enabled(client: Any) -> None:
    with pytest.raises(ClientError, match="must be created in ENABLED state"):
        client.create_compute_environment(
            computeEnvironmentName="env", type="UNMANAGED", serviceRole="r", state="DISABLED"
        )
