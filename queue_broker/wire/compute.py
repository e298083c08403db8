"""What the service wants of a compute environment beyond its model's types, in its own words.

Source: the API reference of AWS Batch, 2016-08-10, and what CreateComputeEnvironment was seen to
say. Whether a role exists the service does not look up either: with a wrong one, the environment
becomes INVALID later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from queue_broker.wire import templates
from queue_broker.wire.faults import refused
from queue_broker.wire.pods import check_namespace

ON_EC2 = ("EC2", "SPOT")
MANAGED_INSTANCES = "ECS_MANAGED_INSTANCES"
BEST_FIT = "BEST_FIT"
#: Strategies that only one type has.
ONLY_SPOT = (
    *("SPOT_CAPACITY_OPTIMIZED", "SPOT_PRICE_CAPACITY_OPTIMIZED"),
    "SPOT_CAPACITY_OPTIMIZED_PRIORITIZED",
)
ONLY_EC2 = ("BEST_FIT_PROGRESSIVE_ORDERED",)
NOT_ON_FARGATE = (
    *("allocationStrategy", "minvCpus", "desiredvCpus", "instanceTypes", "imageId", "ec2KeyPair"),
    *("instanceRole", "tags", "placementGroup", "bidPercentage", "spotIamFleetRole"),
    *("launchTemplate", "ec2Configuration", "scalingPolicy"),
)
ONLY_MANAGED_INSTANCES = ("managedInstancesProvider", "capacityTags")
#: Strategies that take instances in the order in which they are listed.
ORDERED = ("BEST_FIT_PROGRESSIVE_ORDERED", "SPOT_CAPACITY_OPTIMIZED_PRIORITIZED")
MOST_SUBNETS, MOST_GROUPS, MOST_CONFIGURATIONS = 16, 5, 2
CLUSTER = re.compile("arn:[a-z0-9-]+:eks:[a-z0-9-]+:[0-9]{12}:cluster/.+")
#: The role that the service makes for itself.
SERVICE_LINKED = "AWSServiceRoleForBatch"
#: Minutes; 0 is none.
SCALE_DOWN = range(20, 10_081)
NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
MOST_NAMESPACE = 63

#: Only the form is checked: AWS has new types before anybody's list of them has.
INSTANCE_TYPE = re.compile(
    r"optimal|default_(x86_64|arm64)|[a-z]+(-|[0-9])[a-z0-9-]*(\.[a-z0-9-]+)?"
)
#: AWS lists all of its own here.
KNOWN_TYPES = "optimal, default_x86_64, default_arm64, an instance family, an instance type"
BUNDLE = re.compile("optimal|default_.*")
#: Graviton: a `g` right behind the generation.
ARM = re.compile(r"default_arm64|a1(\..+)?|[a-z]+[0-9]+g[a-z-]*(\..+)?")


def check_new(body: Mapping[str, Any]) -> None:
    """Of one that is made."""
    if body.get("state") == "DISABLED":
        raise refused("Compute Environment must be created in ENABLED state.")
    check(body)


def check(body: Mapping[str, Any]) -> None:
    if body["type"] == "MANAGED":
        if body.get("unmanagedvCpus"):
            words = "is not applicable for managed Compute Environments"
            raise refused(f"unmanagedvCpus {words}")
        check_resources(body.get("computeResources"), eks="eksConfiguration" in body)
    else:
        check_service_role(body.get("serviceRole"))
    if "eksConfiguration" in body:
        check_eks(body["eksConfiguration"], body.get("computeResources", {}))


def check_service_role(given: str | None) -> None:
    """Of an UNMANAGED one."""
    if not given:
        raise refused("ServiceRole is required.")
    if given.rpartition("/")[2] == SERVICE_LINKED:
        raise refused("Service Linked Role cannot be used with UNMANAGED Compute Environment")


def check_update(body: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """What cannot be changed. `body`: what it was."""
    if "eksConfiguration" in given and "eksConfiguration" not in body:
        raise refused("eksConfiguration: got an object; allowed: none but for one on EKS")
    resources = given.get("computeResources", {})
    if resources.get("allocationStrategy") == BEST_FIT:
        raise refused("computeResources.allocationStrategy: got BEST_FIT; allowed: another")
    kind = body.get("computeResources", {}).get("type")
    wanted = resources.get("type", kind)
    if kind != wanted and MANAGED_INSTANCES in (kind, wanted):
        raise refused(f"computeResources.type: got {wanted!r}; allowed: {kind}, as it is")


def check_resources(resources: Mapping[str, Any] | None, *, eks: bool) -> None:
    """By where they run."""
    if resources is None:
        raise refused("computeResources: got nothing; allowed: an object, for type MANAGED")
    kind = resources["type"]
    if kind == MANAGED_INSTANCES:
        if "managedInstancesProvider" not in resources:
            raise refused(f"managedInstancesProvider: got nothing; allowed: one, for {kind}")
    elif kind in ON_EC2:
        check_on_ec2(resources, eks=eks)
    else:
        check_on_fargate(resources)
    if kind != MANAGED_INSTANCES:
        check_ordinary(resources)
    check_vcpus(resources)


def check_ordinary(resources: Mapping[str, Any]) -> None:
    """Of any but managed instances, which are said otherwise."""
    for name in ONLY_MANAGED_INSTANCES:
        if resources.get(name):
            words = f"none for type {resources['type']}"
            raise refused(f"computeResources.{name}: got a value; allowed: {words}")
    if not resources.get("subnets"):
        raise refused("computeResources.subnets: got nothing; allowed: at least one")
    if not resources.get("securityGroupIds") and not resources.get("launchTemplate"):
        raise refused("Security group ids are required.")


def check_on_fargate(resources: Mapping[str, Any]) -> None:
    for name in NOT_ON_FARGATE:
        if resources.get(name):
            raise refused(f"{name} is not applicable for Fargate.")
    groups, subnets = resources.get("securityGroupIds", ()), resources.get("subnets", ())
    if len(groups) > MOST_GROUPS:
        raise refused(f"Fargate supports a maximum of {MOST_GROUPS} security groups.")
    if len(subnets) > MOST_SUBNETS:
        raise refused(f"Fargate supports a maximum of {MOST_SUBNETS} subnets.")


def check_on_ec2(resources: Mapping[str, Any], *, eks: bool) -> None:
    check_instance_role(resources.get("instanceRole"))
    if "minvCpus" not in resources:
        raise refused("Resource minvCpus is required.")
    check_types(resources.get("instanceTypes", ()), resources.get("allocationStrategy"))
    check_strategy(resources)
    templates.check(resources.get("launchTemplate"), resources.get("instanceTypes", ()))
    images = resources.get("ec2Configuration", ())
    beginning = "EKS_" if eks else "ECS_"
    if any(not one.get("imageType", beginning).startswith(beginning) for one in images):
        raise refused("Invalid imageType in ComputeResources.ec2Configuration")
    if len(images) > MOST_CONFIGURATIONS:
        words = f"at most {MOST_CONFIGURATIONS}"
        raise refused(f"computeResources.ec2Configuration: got {len(images)}; allowed: {words}")
    delay = resources.get("scalingPolicy", {}).get("minScaleDownDelayMinutes", 0)
    if delay and delay not in SCALE_DOWN:
        words = f"0, or {SCALE_DOWN[0]} to {SCALE_DOWN[-1]} minutes"
        raise refused(f"scalingPolicy.minScaleDownDelayMinutes: got {delay}; allowed: {words}")


def check_instance_role(given: str | None) -> None:
    """A profile's short name or its ARN: the ARN of the role in it is a common mistake."""
    if not given:
        raise refused("Instance role is required.")
    if given.startswith("arn:") and ":instance-profile/" not in given:
        raise refused("The ECS Instance Role should be an ECS Instance Profile ARN.")


def check_types(types: Sequence[str], strategy: str | None) -> None:
    if not types:
        raise refused("Resource instanceTypes are required.")
    for one in types:
        if not INSTANCE_TYPE.fullmatch(one):
            raise refused(f"Instance type can only be one of [{KNOWN_TYPES}], got {one}")
        if strategy in ORDERED and BUNDLE.fullmatch(one):
            bundles = "Instance type bundles (e.g. optimal, default_x86_64) are not allowed for"
            words = "Specify instance families or types directly."
            raise refused(f"{bundles} {strategy} allocation strategy. {words}")
    arm = [one for one in types if ARM.fullmatch(one)]
    if arm and len(arm) < len(types):
        raise refused("arm-based instance type cannot be used with other instance types")


def check_strategy(resources: Mapping[str, Any]) -> None:
    kind, strategy = resources["type"], resources.get("allocationStrategy", BEST_FIT)
    for only, strategies in (("SPOT", ONLY_SPOT), ("EC2", ONLY_EC2)):
        if strategy in strategies and kind != only:
            raise refused(f"Allocation strategy {strategy} requires compute resource type {only}.")
    if kind == "SPOT" and strategy == BEST_FIT and not resources.get("spotIamFleetRole"):
        raise refused("compute resource spotIamFleetRole is required.")


def check_vcpus(resources: Mapping[str, Any]) -> None:
    least, most = resources.get("minvCpus", 0), resources["maxvCpus"]
    if least < 0:
        raise refused("minvCpus should be greater than or equal to 0.")
    if most < least:
        raise refused("maxvCpus should be greater than or equal to minvCpus.")
    desired = resources.get("desiredvCpus")
    if desired and not least <= desired <= most:
        raise refused("desiredvCpus should be between minvCpus and maxvCpus.")


def check_eks(configuration: Mapping[str, Any], resources: Mapping[str, Any]) -> None:
    name = configuration["kubernetesNamespace"]
    check_namespace(name)
    if len(name) > MOST_NAMESPACE:
        words = f"must less than or equal to {MOST_NAMESPACE} characters"
        raise refused(f"kubernetesNamespace {words}")
    if not NAMESPACE.fullmatch(name):
        raise refused("kubernetesNamespace must be a valid Kubernetes namespace.")
    if not CLUSTER.fullmatch(configuration["eksClusterArn"]):
        raise refused("eksClusterArn must be an EKS cluster ARN.")
    if resources.get("type", "EC2") not in ON_EC2:
        words = f"are [{', '.join(ON_EC2)}]"
        raise refused(f"Supported compute types for EKS compute environments {words}")
    if not resources.get("allocationStrategy"):
        raise refused("allocationStrategy is required for EKS Compute Environments.")
