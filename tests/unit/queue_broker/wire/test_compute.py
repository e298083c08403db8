from __future__ import annotations

from typing import Any

import pytest

from queue_broker.wire.compute import check, check_new, check_update
from queue_broker.wire.faults import Fault

EC2: dict[str, Any] = {
    "type": "EC2",
    "minvCpus": 0,
    "maxvCpus": 8,
    "subnets": ["s"],
    "securityGroupIds": ["g"],
    "instanceRole": "role",
    "instanceTypes": ["optimal"],
}
FARGATE: dict[str, Any] = {
    "type": "FARGATE",
    "maxvCpus": 8,
    "subnets": ["s"],
    "securityGroupIds": ["g"],
}
MANAGED = {"type": "ECS_MANAGED_INSTANCES", "maxvCpus": 8, "managedInstancesProvider": {"a": 1}}
SPOT = EC2 | {"type": "SPOT", "allocationStrategy": "SPOT_CAPACITY_OPTIMIZED"}
LISTED = {"instanceTypes": ["m5.large"]}
TEMPLATE = {"launchTemplateId": "lt", "version": "$Latest"}


def managed(resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "MANAGED", "computeResources": resources} | more


def on_eks(name: str, **more: Any) -> dict[str, Any]:
    arn = "arn:aws:eks:us-east-1:123456789012:cluster/jobs"
    cluster = {"eksClusterArn": more.pop("arn", arn), "kubernetesNamespace": name}
    resources = EC2 | {"allocationStrategy": "BEST_FIT_PROGRESSIVE"} | more
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
        (managed(EC2, unmanagedvCpus=4), "unmanagedvCpus is not applicable for managed Compute"),
        ({"type": "UNMANAGED"}, "ServiceRole is required."),
        (
            {"type": "UNMANAGED", "serviceRole": "arn:aws:iam::1:role/x/AWSServiceRoleForBatch"},
            "Service Linked Role cannot be used with UNMANAGED Compute Environment",
        ),
        (managed(EC2 | {"subnets": []}), "subnets: got nothing"),
        (managed(EC2 | {"securityGroupIds": []}), "Security group ids are required."),
        (managed(EC2 | {"instanceTypes": []}), "Resource instanceTypes are required."),
        (managed(EC2 | {"instanceTypes": ["m6g.large", "m5"]}), "arm-based instance type cannot"),
        (
            managed(SPOT | {"allocationStrategy": "SPOT_CAPACITY_OPTIMIZED_PRIORITIZED"}),
            "Instance type bundles .* are not allowed for SPOT_CAPACITY_OPTIMIZED_PRIORITIZED",
        ),
        (managed(EC2 | {"minvCpus": 9}), "maxvCpus should be greater than or equal to minvCpus."),
        (managed(EC2 | {"minvCpus": -1}), "minvCpus should be greater than or equal to 0."),
        (managed(EC2 | {"desiredvCpus": 9}), "desiredvCpus should be between minvCpus and max"),
        (managed(EC2 | {"type": "SPOT"}), "compute resource spotIamFleetRole is required."),
        (
            managed(EC2 | {"allocationStrategy": "SPOT_CAPACITY_OPTIMIZED"}),
            "SPOT_CAPACITY_OPTIMIZED requires compute resource type SPOT.",
        ),
        (
            managed(SPOT | {"allocationStrategy": "BEST_FIT_PROGRESSIVE_ORDERED"} | LISTED),
            "BEST_FIT_PROGRESSIVE_ORDERED requires compute resource type EC2.",
        ),
        (managed(EC2 | {"launchTemplate": {"version": "1"}}), "One of LaunchTemplateId and Launch"),
        (managed(EC2 | {"ec2Configuration": [{}, {}, {}]}), "at most 2"),
        (managed(EC2 | {"ec2Configuration": [{"imageType": "EKS_AL2023"}]}), "Invalid imageType"),
        (managed(EC2 | {"scalingPolicy": {"minScaleDownDelayMinutes": 19}}), "20 to 10080"),
        (managed(EC2 | {"capacityTags": {"a": "b"}}), "capacityTags: got a value"),
        (
            managed(FARGATE | {"instanceRole": "role"}),
            "instanceRole is not applicable for Fargate.",
        ),
        (managed(FARGATE | {"minvCpus": 1}), "minvCpus is not applicable for Fargate."),
        (managed(FARGATE | {"tags": {"a": "b"}}), "tags is not applicable for Fargate."),
        (managed(FARGATE | {"securityGroupIds": []}), "Security group ids are required."),
        (managed(FARGATE | {"securityGroupIds": ["g"] * 6}), "maximum of 5 security groups."),
        (managed(FARGATE | {"subnets": ["s"] * 17}), "Fargate supports a maximum of 16 subnets."),
        (managed({"type": "ECS_MANAGED_INSTANCES", "maxvCpus": 8}), "managedInstancesProvider"),
        (on_eks("default"), "kubernetesNamespace cannot be the default Kubernetes namespace"),
        (on_eks("kube-system"), "kubernetesNamespace cannot be a reserved Kubernetes system"),
        (on_eks("Jobs"), "kubernetesNamespace must be a valid Kubernetes namespace."),
        (on_eks("a" * 64), "kubernetesNamespace must less than or equal to 63 characters"),
        (on_eks("jobs", arn="jobs"), "eksClusterArn must be an EKS cluster ARN."),
        (on_eks("jobs", allocationStrategy=""), "allocationStrategy is required for EKS Compute"),
    ],
)
def test_an_environment_that_could_not_be_made_is_refused(body: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault, match=words):
        check(body)


def test_an_environment_on_eks_is_of_instances() -> None:
    eks = on_eks("jobs") | {"computeResources": FARGATE}
    with pytest.raises(Fault, match="Supported compute types for EKS compute environments are"):
        check(eks)


def test_an_environment_is_made_enabled_and_may_be_disabled_later() -> None:
    check(managed(EC2, state="DISABLED"))
    with pytest.raises(Fault, match="Compute Environment must be created in ENABLED"):
        check_new(managed(EC2, state="DISABLED"))


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
