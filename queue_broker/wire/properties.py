"""What the service wants of a job definition beyond its model's types.

Source: the API reference of AWS Batch, 2016-08-10 ("must", "can't", "isn't applicable").
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from queue_broker.nodes import MOST_RANGES
from queue_broker.wire import multinode
from queue_broker.wire.faults import refused
from queue_broker.wire.pods import check_pod

LEAST_MEMORY_MIB = 4
FARGATE, MANAGED = "FARGATE", "MANAGED_INSTANCES"
#: One of them says what a container job runs.
WAYS = ("containerProperties", "ecsProperties", "eksProperties")
OF_NODES = ("container", *WAYS[1:])
#: Of EKS jobs: what only ECS has.
NOT_ON_EKS = ("platformCapabilities", "propagateTags")
#: Members of a container that only EC2 has, or only Fargate.
NOT_ON_FARGATE = ("privileged", "ulimits", "instanceType", "vcpus", "memory")
NOT_ON_EC2 = ("networkConfiguration", "fargatePlatformConfiguration")
LINUX_NOT_ON_FARGATE = ("devices", "sharedMemorySize", "tmpfs", "maxSwap", "swappiness")
TASK_NOT_ON_FARGATE = ("ipcMode", "networkMode")
TASK_NOT_ON_EC2 = ("networkConfiguration", "networkMode")
TASK_NOT_ON_MANAGED = ("networkConfiguration",)


def check_properties(given: Mapping[str, Any]) -> None:
    """`Fault` for a definition of which no job could run."""
    capabilities = given.get("platformCapabilities", ())
    fargate, managed = FARGATE in capabilities, MANAGED in capabilities
    if given["type"] == "multinode":
        check_nodes(given, fargate or managed)
        return
    if "nodeProperties" in given:
        raise refused("nodeProperties: got an object; allowed: only with type multinode")
    ways = [name for name in WAYS if name in given]
    if not ways:
        raise refused(f"containerProperties: got nothing; allowed: one of {', '.join(WAYS)}")
    if len(ways) > 1:
        raise refused(f"{ways[1]}: got an object beside {ways[0]}; allowed: one of them")
    if managed and "ecsProperties" not in given:
        raise refused(f"{ways[0]}: got an object; allowed: ecsProperties, with {MANAGED}")
    if "containerProperties" in given:
        check_container(given["containerProperties"], "containerProperties", fargate)
    elif "ecsProperties" in given:
        unwanted = TASK_NOT_ON_MANAGED if managed else TASK_NOT_ON_EC2
        check_tasks(given["ecsProperties"], TASK_NOT_ON_FARGATE if fargate else unwanted, fargate)
    else:
        without(given, NOT_ON_EKS, "", "jobs on EKS")
        check_pod(given["eksProperties"].get("podProperties", {}))


def without(given: Mapping[str, Any], names: Iterable[str], path: str, where: str) -> None:
    """`Fault` where one of these members has a value: false, 0 and "" are none."""
    for name in names:
        if given.get(name):
            raise refused(f"{path}{name}: got a value; allowed: none for {where}")


def check_container(container: Mapping[str, Any], path: str, fargate: bool) -> None:
    if not container.get("image"):
        raise refused(f"{path}.image: got nothing; allowed: a container image")
    if fargate:
        check_on_fargate(container, path)
        if not container.get("executionRoleArn"):
            words = "a role, which jobs on Fargate need"
            raise refused(f"{path}.executionRoleArn: got nothing; allowed: {words}")
    else:
        without(container, NOT_ON_EC2, f"{path}.", "jobs on EC2")
    check_amounts(container)
    check_volumes(container.get("volumes", ()), path, fargate)


def check_on_fargate(container: Mapping[str, Any], path: str) -> None:
    """Of a container there: what only EC2 has."""
    where = "jobs on Fargate"
    without(container, NOT_ON_FARGATE, f"{path}.", where)
    linux = container.get("linuxParameters", {})
    without(linux, LINUX_NOT_ON_FARGATE, f"{path}.linuxParameters.", where)
    asked = {one["type"] for one in container.get("resourceRequirements", ())}
    if "GPU" in asked:
        raise refused(f"{path}.resourceRequirements: got GPU; allowed: none for {where}")


def check_amounts(container: Mapping[str, Any]) -> None:
    """vCPUs and memory, each given somewhere, and GPUs."""
    asked = {one["type"]: one["value"] for one in container.get("resourceRequirements", ())}
    for kind, legacy, words in (("VCPU", "vcpus", "vCPU"), ("MEMORY", "memory", "Memory")):
        value = asked.get(kind, container.get(legacy))
        if value is None:
            raise refused(f"{words} is not provided.")
        if not above_zero(value, whole=kind == "MEMORY"):
            allowed = "a whole number of MiB" if kind == "MEMORY" else "a number"
            raise refused(f"{words}: got {value!r}; allowed: {allowed} above 0")
        if kind == "MEMORY":
            check_memory(float(value))
    gpus = asked.get("GPU", "0")
    if gpus != "0" and not above_zero(gpus, whole=True):
        raise refused(f"GPU: got {gpus!r}; allowed: a whole number, 0 or more")


def check_memory(mib: float) -> None:
    """Of a definition, or of a job that asks for its own."""
    if mib < LEAST_MEMORY_MIB:
        raise refused(f"Memory: got {mib:g}; allowed: at least {LEAST_MEMORY_MIB} MiB")


def above_zero(value: object, *, whole: bool) -> bool:
    """Refused here, or each of the definition's jobs would be."""
    try:
        number = float(str(value))
    except ValueError:
        return False
    return 0 < number < math.inf and (number.is_integer() or not whole)


def check_volumes(volumes: Iterable[Mapping[str, Any]], path: str, fargate: bool) -> None:
    for at, one in enumerate(volumes):
        here = f"{path}.volumes.{at + 1}.member"
        if fargate:
            without(one, ("host",), f"{here}.", "jobs on Fargate")
        efs = one.get("efsVolumeConfiguration", {})
        access = efs.get("authorizationConfig", {})
        if access.get("accessPointId") and efs.get("rootDirectory", "/") != "/":
            words = "/ or nothing, with an access point"
            got = f"got {efs['rootDirectory']!r}"
            raise refused(f"{here}.efsVolumeConfiguration.rootDirectory: {got}; allowed: {words}")
        secured = access.get("accessPointId") or access.get("iam") == "ENABLED"
        if secured and efs.get("transitEncryption") != "ENABLED":
            words = "ENABLED, with an access point or IAM"
            raise refused(f"{here}.efsVolumeConfiguration.transitEncryption: allowed: {words}")


def check_tasks(properties: Mapping[str, Any], unwanted: Iterable[str], fargate: bool) -> None:
    path = "ecsProperties.taskProperties"
    for task in properties.get("taskProperties", ()):
        without(task, unwanted, f"{path}.1.member.", "jobs with these platformCapabilities")
        if fargate and not task.get("executionRoleArn"):
            words = "a role, which jobs on Fargate need"
            raise refused(f"{path}.1.member.executionRoleArn: got nothing; allowed: {words}")
        containers = task.get("containers", ())
        if not any(one.get("essential", True) for one in containers):
            raise refused(f"{path}.1.member.containers: allowed: at least one that is essential")
        for at, one in enumerate(containers):
            check_task_container(one, f"{path}.1.member.containers.{at + 1}.member", fargate)
        check_volumes(task.get("volumes", ()), f"{path}.1.member", fargate)


def check_task_container(container: Mapping[str, Any], path: str, fargate: bool) -> None:
    if not container.get("image"):
        raise refused(f"{path}.image: got nothing; allowed: a container image")
    if fargate:
        check_on_fargate(container, path)


def check_nodes(given: Mapping[str, Any], elsewhere: bool) -> None:
    """Of a multinode job. `elsewhere`: it is not for EC2."""
    if elsewhere:
        raise refused("platformCapabilities: got another; allowed: EC2 for type multinode")
    nodes = given.get("nodeProperties")
    if nodes is None:
        raise refused("nodeProperties: got nothing; allowed: the nodes of a multinode job")
    ranges = nodes["nodeRangeProperties"]
    if len(ranges) > MOST_RANGES:
        got = f"nodeProperties.nodeRangeProperties: got {len(ranges)}"
        raise refused(f"{got}; allowed: at most {MOST_RANGES}")
    for at, one in enumerate(ranges):
        check_range(one, f"nodeProperties.nodeRangeProperties.{at + 1}.member")
    multinode.read(nodes)


def check_range(given: Mapping[str, Any], path: str) -> None:
    """Of nodes that run the same."""
    ways = [name for name in OF_NODES if name in given]
    if len(ways) != 1:
        got = " and ".join(ways) or "nothing"
        raise refused(f"{path}: got {got}; allowed: one of {', '.join(OF_NODES)}")
    if "container" in given:
        check_container(given["container"], f"{path}.container", fargate=False)
    elif "ecsProperties" in given:
        check_tasks(given["ecsProperties"], TASK_NOT_ON_EC2, fargate=False)
    else:
        check_pod(given["eksProperties"].get("podProperties", {}))
