"""What the service wants of a compute environment beyond its model's types.

Source: the API reference of AWS Batch, 2016-08-10. Whether a role exists the service does not look
up either: with a wrong one, the environment becomes INVALID later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from queue_broker.wire.faults import refused
from queue_broker.wire.properties import without

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
MOST_SUBNETS, MOST_GROUPS, MOST_CONFIGURATIONS = 16, 5, 2
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


def check(body: Mapping[str, Any]) -> None:
    if body["type"] == "MANAGED":
        if body.get("unmanagedvCpus"):
            raise refused("unmanagedvCpus: got a value; allowed: only for type UNMANAGED")
        check_resources(body.get("computeResources"))
    elif not body.get("serviceRole"):
        raise refused("ServiceRole is required.")
    if "eksConfiguration" in body:
        check_eks(body["eksConfiguration"], body.get("computeResources", {}))


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


def check_resources(resources: Mapping[str, Any] | None) -> None:
    """By where they run, in the service's words where they are known."""
    if resources is None:
        raise refused("computeResources: got nothing; allowed: an object, for type MANAGED")
    kind = resources["type"]
    if kind in ON_EC2:
        check_on_ec2(resources)
    elif kind == MANAGED_INSTANCES:
        if "managedInstancesProvider" not in resources:
            raise refused(f"managedInstancesProvider: got nothing; allowed: one, for {kind}")
    else:
        check_on_fargate(resources)
    if kind != MANAGED_INSTANCES:
        without(resources, ONLY_MANAGED_INSTANCES, "computeResources.", f"type {kind}")
        if not resources.get("subnets"):
            raise refused("computeResources.subnets: got nothing; allowed: at least one")
    check_vcpus(resources)


def check_on_fargate(resources: Mapping[str, Any]) -> None:
    without(resources, NOT_ON_FARGATE, "computeResources.", "Fargate")
    groups, subnets = resources.get("securityGroupIds", ()), resources.get("subnets", ())
    if not 1 <= len(groups) <= MOST_GROUPS:
        words = f"1 to {MOST_GROUPS} for Fargate"
        raise refused(f"computeResources.securityGroupIds: got {len(groups)}; allowed: {words}")
    if len(subnets) > MOST_SUBNETS:
        words = f"at most {MOST_SUBNETS} for Fargate"
        raise refused(f"computeResources.subnets: got {len(subnets)}; allowed: {words}")


def check_on_ec2(resources: Mapping[str, Any]) -> None:
    check_instance_role(resources.get("instanceRole"))
    if "minvCpus" not in resources:
        raise refused("Resource minvCpus is required.")
    for one in resources.get("instanceTypes", ()):
        if not INSTANCE_TYPE.fullmatch(one):
            raise refused(f"Instance type can only be one of [{KNOWN_TYPES}], got {one}")
    check_strategy(resources)
    check_template(resources.get("launchTemplate", {}), "computeResources.launchTemplate")
    images = resources.get("ec2Configuration", ())
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


def check_strategy(resources: Mapping[str, Any]) -> None:
    kind, strategy = resources["type"], resources.get("allocationStrategy", BEST_FIT)
    other = ONLY_SPOT if kind == "EC2" else ONLY_EC2
    if strategy in other:
        words = f"one for type {kind}"
        raise refused(f"computeResources.allocationStrategy: got {strategy}; allowed: {words}")
    if kind == "SPOT" and strategy == BEST_FIT and not resources.get("spotIamFleetRole"):
        words = f"a role, for type SPOT with {BEST_FIT}"
        raise refused(f"computeResources.spotIamFleetRole: got nothing; allowed: {words}")


def check_template(template: Mapping[str, Any], path: str) -> None:
    names = ("launchTemplateId", "launchTemplateName")
    if all(template.get(name) for name in names):
        raise refused(f"{path}: got {' and '.join(names)}; allowed: one of them")
    for at, one in enumerate(template.get("overrides", ())):
        here = f"{path}.overrides.{at + 1}.member"
        check_template(one, here)
        if not one.get("targetInstanceTypes"):
            raise refused(f"{here}.targetInstanceTypes: got nothing; allowed: at least one")


def check_vcpus(resources: Mapping[str, Any]) -> None:
    least, most = resources.get("minvCpus", 0), resources["maxvCpus"]
    if not 0 <= least <= most:
        raise refused(f"computeResources.minvCpus: got {least}; allowed: 0 to maxvCpus ({most})")
    desired = resources.get("desiredvCpus")
    if desired and not least <= desired <= most:
        words = f"minvCpus to maxvCpus ({least} to {most})"
        raise refused(f"computeResources.desiredvCpus: got {desired}; allowed: {words}")


def check_eks(configuration: Mapping[str, Any], resources: Mapping[str, Any]) -> None:
    name = configuration["kubernetesNamespace"]
    reserved = name == "default" or name.startswith("kube-")
    if reserved or len(name) > MOST_NAMESPACE or not NAMESPACE.fullmatch(name):
        words = "a namespace of at most 63 characters, neither default nor beginning with kube-"
        raise refused(f"eksConfiguration.kubernetesNamespace: got {name!r}; allowed: {words}")
    if not resources.get("allocationStrategy"):
        words = "a strategy, which environments on EKS need"
        raise refused(f"computeResources.allocationStrategy: got nothing; allowed: {words}")
