"""The stack, made on moto."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.integration.deploy.template import BARE, SECRET, Resolved

REGION = "us-east-1"


@dataclass(slots=True)
class Made:
    """A stack that stands on moto, and boto3's session to look at it."""

    session: boto3.Session
    resolved: Resolved
    types: dict[str, str]
    ids: dict[str, str]  #: by logical id
    outputs: dict[str, str]

    def client(self, service: str) -> Any:
        return self.session.client(service)  # type: ignore[call-overload]

    def environment(self) -> dict[str, str]:
        """The environment of the broker's container."""
        (container,) = self.task()["containerDefinitions"]
        return {one["name"]: one["value"] for one in container["environment"]}

    def task(self) -> dict[str, Any]:
        ecs = self.client("ecs")
        answer = ecs.describe_task_definition(taskDefinition=self.ids["BrokerTask"])
        found: dict[str, Any] = answer["taskDefinition"]
        return found


def make(stack: str, **parameters: str) -> Made:
    session = boto3.Session("key", "secret", region_name=REGION)
    ec2 = session.client("ec2")
    subnets = ",".join(one["SubnetId"] for one in ec2.describe_subnets()["Subnets"][:2])
    given = parameters | {
        "VpcId": ec2.describe_vpcs()["Vpcs"][0]["VpcId"],
        "SubnetIds": subnets,
        "LoadBalancerSubnetIds": subnets,
        "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/headgate:1",
        "TokensSecretArn": SECRET.replace("database", "tokens"),
    }
    resolved = Resolved(**given)
    cloudformation = session.client("cloudformation")
    cloudformation.create_stack(
        StackName=stack,
        TemplateBody=json.dumps(resolved.for_moto()),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    found = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    outputs = cloudformation.describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
    return Made(
        session=session,
        resolved=resolved,
        types={one["LogicalResourceId"]: one["ResourceType"] for one in found},
        ids={one["LogicalResourceId"]: one.get("PhysicalResourceId", "") for one in found},
        outputs={one["OutputKey"]: one["OutputValue"] for one in outputs},
    )


@pytest.fixture(scope="package")
def no_aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture(scope="package")
def whole(no_aws: None) -> Made:
    acm = boto3.Session("key", "secret", region_name=REGION).client("acm")
    certificate = acm.request_certificate(DomainName="headgate.example.com")["CertificateArn"]
    return make("headgate", CertificateArn=certificate, DefinitionPrefix="metaflow_")


@pytest.fixture(scope="package")
def bare(no_aws: None) -> Made:
    return make("bare", **BARE)
