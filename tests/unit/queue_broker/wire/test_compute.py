from __future__ import annotations

from typing import Any

import pytest

from queue_broker.wire.compute import check, check_update
from queue_broker.wire.faults import Fault

EC2: dict[str, Any] = {
    "type": "EC2",
    "minvCpus": 0,
    "maxvCpus": 8,
    "subnets": ["s"],
    "instanceRole": "role",
}
FARGATE: dict[str, Any] = {
    "type": "FARGATE",
    "maxvCpus": 8,
    "subnets": ["s"],
    "securityGroupIds": ["g"],
}
MANAGED = {"type": "ECS_MANAGED_INSTANCES", "maxvCpus": 8, "managedInstancesProvider": {"a": 1}}
SPOT = EC2 | {"type": "SPOT", "allocationStrategy": "SPOT_CAPACITY_OPTIMIZED"}
TEMPLATE = {"launchTemplateId": "lt", "version": "$Latest"}


def managed(resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "MANAGED", "computeResources": resources} | more


def on_eks(name: str, **more: Any) -> dict[str, Any]:
    resources = EC2 | {"allocationStrategy": "BEST_FIT_PROGRESSIVE"} | more
    cluster = {"eksClusterArn": "arn", "kubernetesNamespace": name}
    return managed(resources, eksConfiguration=cluster)


@pytest.mark.parametrize(
    "body",
    [
        managed(EC2),
        managed(EC2 | {"desiredvCpus": 8, "launchTemplate": TEMPLATE, "ec2KeyPair": "key"}),
        managed(EC2 | {"scalingPolicy": {"minScaleDownDelayMinutes": 20}}),
        managed(EC2 | {"scalingPolicy": {"minScaleDownDelayMinutes": 0}}),
        managed(SPOT),
        managed(EC2 | {"type": "SPOT", "spotIamFleetRole": "role"}),
        managed(FARGATE),
        managed(FARGATE | {"minvCpus": 0, "instanceTypes": []}),
        managed(MANAGED),
        on_eks("jobs-2"),
        {"type": "UNMANAGED", "serviceRole": "role", "unmanagedvCpus": 4},
    ],
)
def test_an_environment_that_can_be_made_is_taken(body: dict[str, Any]) -> None:
    check(body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (managed(EC2, unmanagedvCpus=4), "only for type UNMANAGED"),
        (managed(EC2 | {"subnets": []}), "subnets: got nothing"),
        (managed(EC2 | {"minvCpus": 9}), "minvCpus: got 9"),
        (managed(EC2 | {"minvCpus": -1}), "minvCpus: got -1"),
        (managed(EC2 | {"desiredvCpus": 9}), "desiredvCpus: got 9"),
        (managed(EC2 | {"type": "SPOT"}), "spotIamFleetRole: got nothing"),
        (managed(EC2 | {"allocationStrategy": "SPOT_CAPACITY_OPTIMIZED"}), "one for type EC2"),
        (managed(SPOT | {"allocationStrategy": "BEST_FIT_PROGRESSIVE_ORDERED"}), "type SPOT"),
        (managed(EC2 | {"launchTemplate": TEMPLATE | {"launchTemplateName": "n"}}), "one of them"),
        (managed(EC2 | {"launchTemplate": {"overrides": [TEMPLATE]}}), "targetInstanceTypes"),
        (managed(EC2 | {"ec2Configuration": [{}, {}, {}]}), "at most 2"),
        (managed(EC2 | {"scalingPolicy": {"minScaleDownDelayMinutes": 19}}), "20 to 10080"),
        (managed(EC2 | {"capacityTags": {"a": "b"}}), "capacityTags: got a value"),
        (managed(FARGATE | {"instanceRole": "role"}), "instanceRole: got a value; allowed: none"),
        (managed(FARGATE | {"minvCpus": 1}), "minvCpus: got a value"),
        (managed(FARGATE | {"tags": {"a": "b"}}), "tags: got a value"),
        (managed(FARGATE | {"securityGroupIds": []}), "securityGroupIds: got 0"),
        (managed(FARGATE | {"securityGroupIds": ["g"] * 6}), "securityGroupIds: got 6"),
        (managed(FARGATE | {"subnets": ["s"] * 17}), "subnets: got 17"),
        (managed({"type": "ECS_MANAGED_INSTANCES", "maxvCpus": 8}), "managedInstancesProvider"),
        (on_eks("default"), "kubernetesNamespace: got 'default'"),
        (on_eks("kube-system"), "kubernetesNamespace"),
        (on_eks("Jobs"), "kubernetesNamespace"),
        (on_eks("a" * 64), "kubernetesNamespace"),
        (on_eks("jobs", allocationStrategy=""), "a strategy, which environments on EKS need"),
    ],
)
def test_an_environment_that_could_not_be_made_is_refused(body: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault, match=words):
        check(body)


def test_only_an_environment_on_eks_has_its_access_changed() -> None:
    change = {"eksConfiguration": {"accessEntry": {"desiredState": "MANAGED"}}}
    check_update(on_eks("jobs"), change)
    with pytest.raises(Fault, match="none but for one on EKS"):
        check_update(managed(EC2), change)


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"allocationStrategy": "BEST_FIT"}, "got BEST_FIT; allowed: another"),
        ({"type": "ECS_MANAGED_INSTANCES"}, "allowed: EC2, as it is"),
    ],
)
def test_what_cannot_be_changed_is_told(resources: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault, match=words):
        check_update(managed(EC2), {"computeResources": resources})


def test_an_environment_may_become_one_of_spot_instances() -> None:
    check_update(managed(EC2), {"computeResources": {"type": "SPOT", "maxvCpus": 9}})
