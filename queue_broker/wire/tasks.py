"""What the service wants of an ECS task's containers, and of how they wait for each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from queue_broker.wire.container_rules import check_container, check_platform
from queue_broker.wire.fargate import FARGATE
from queue_broker.wire.faults import refused
from queue_broker.wire.volumes import check_volumes

MANAGED = "MANAGED_INSTANCES"
NOT_ON: Mapping[str, Sequence[str]] = {
    FARGATE: ("ipcMode", "networkMode"),
    MANAGED: ("networkConfiguration",),
    "EC2": ("networkConfiguration", "networkMode"),
}
CONDITIONS = ("START", "COMPLETE", "SUCCESS")
FIRELENS = "When a firelensConfiguration object is specified, at least one container has to"
ROOT = ("", "0", "root")
NO_ROLE = "executionRoleArn is required for Fargate jobs."


def check_tasks(properties: Mapping[str, Any], capability: str) -> None:
    for task in properties.get("taskProperties", ()):
        check_task(task, capability)


def check_task(task: Mapping[str, Any], capability: str) -> None:
    for name in NOT_ON[capability]:
        if task.get(name):
            path = f"ecsProperties.taskProperties.1.member.{name}"
            raise refused(f"{path}: got a value; allowed: none for {capability}")
    fargate, role = capability == FARGATE, task.get("executionRoleArn")
    if fargate and not role:
        raise refused(NO_ROLE)
    containers = task.get("containers", ())
    for one in containers:
        check_container(one, role, fargate=fargate)
    check_together(containers)
    check_firelens(containers)
    check_volumes(task.get("volumes", ()), fargate=fargate, job_role=task.get("taskRoleArn"))
    platform = task.get("runtimePlatform", {})
    check_platform(platform, None)
    if capability == MANAGED and platform.get("operatingSystemFamily", "LINUX") != "LINUX":
        words = f"runtimePlatform for {MANAGED} only supports LINUX operating system family."
        raise refused(words)


def check_together(containers: Sequence[Mapping[str, Any]]) -> None:
    names = [one["name"] for one in containers if "name" in one]
    if len(set(names)) < len(names):
        raise refused("Container names must be unique")
    if not any(map(essential, containers)):
        raise refused("At least one container must be set as essential")
    known = {one["name"]: one for one in containers if "name" in one}
    for one in containers:
        for dependency in one.get("dependsOn", ()):
            if len(containers) == 1:
                raise refused("Container dependency can not be used in a single-container job.")
            check_dependency(dependency, known)


def check_dependency(given: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> None:
    name, condition = str(given.get("containerName")), given.get("condition")
    if condition not in CONDITIONS:
        words = f"Valid values are: [{', '.join(CONDITIONS)}]"
        raise refused(f"TaskContainer dependency {condition} is not valid. {words}")
    if name not in known:
        raise refused(f"containerName {name} must reference a defined container.")
    if condition != "START" and essential(known[name]):
        words = f"can not have condition {condition} if the target is essential"
        raise refused(f"The container target of a dependency {words}")


def essential(container: Mapping[str, Any]) -> bool:
    return bool(container.get("essential", True))


def check_firelens(containers: Sequence[Mapping[str, Any]]) -> None:
    """Who routes logs has somebody whose logs they are."""
    if not any(one.get("firelensConfiguration") for one in containers):
        return
    drivers = {one.get("logConfiguration", {}).get("logDriver") for one in containers}
    if "awsfirelens" not in drivers:
        raise refused(f"{FIRELENS} be configured with the awsfirelens log driver")
    if not any(one.get("user", "") in ROOT for one in containers):
        raise refused(f"{FIRELENS} run as root")
