"""The one container that says what a job runs: of plain, ECS and EKS properties alike.

The answer is in the words of `containerProperties`: image, command, environment,
resourceRequirements, vcpus, memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.errors import InvalidInput

#: Kubernetes' suffixes that Batch takes for memory, in MiB.
MIB_SUFFIX = "Mi"
#: What Fargate alone takes: "jobs that are running on Amazon EC2 resources must not specify" them.
FARGATE_ONLY = {
    *("networkConfiguration", "fargatePlatformConfiguration", "ephemeralStorage"),
    "runtimePlatform",
}
#: Of a container of `ecsProperties`, what means nothing where it is alone; and what
#: `containerProperties` has of its task, by the task's name for it.
AMONG_OTHERS = {"name", "essential", "dependsOn"}
OF_TASK = {
    "executionRoleArn": "executionRoleArn",
    "taskRoleArn": "jobRoleArn",
    "volumes": "volumes",
    "enableExecuteCommand": "enableExecuteCommand",
}
ARCHITECTURES = {"X86_64": "x86_64", "ARM64": "arm64"}
KUBERNETES = {"cpu": "VCPU", "memory": "MEMORY", "nvidia.com/gpu": "GPU"}


def of_definition(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Empty for a multinode definition: each range of its nodes has its own."""
    if "eksProperties" in definition:
        return from_pod(definition["eksProperties"].get("podProperties", {}))
    if "ecsProperties" in definition:
        return first_container(definition["ecsProperties"])
    return dict(definition.get("containerProperties", {}))


def every(definition: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All containers that run together: of `ecsProperties` there may be several."""
    tasks = definition.get("ecsProperties", {}).get("taskProperties", ())
    return [dict(one) for task in tasks for one in task["containers"]] or [
        of_definition(definition)
    ]


def of_overrides(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a submission overrides, whichever way it says so."""
    if "eksPropertiesOverride" in request:
        return from_pod(request["eksPropertiesOverride"].get("podProperties", {}))
    if "ecsPropertiesOverride" in request:
        return first_container(request["ecsPropertiesOverride"])
    return dict(request.get("containerOverrides", {}))


def on_instances(definition: Mapping[str, Any]) -> dict[str, Any]:
    """What a definition says, as `containerProperties` for EC2: also where it has `ecsProperties`
    of one container, or was made for Fargate. `InvalidInput`: it is no such thing."""
    if "containerProperties" in definition:
        found = dict(definition["containerProperties"])
    elif "ecsProperties" in definition:
        found = of_task(definition)
    else:
        raise no_container(definition, "one of pods")
    if platform(definition).get("operatingSystemFamily", "").startswith("WINDOWS"):
        raise no_container(definition, "one for Windows")
    return {name: value for name, value in found.items() if name not in FARGATE_ONLY}


def check_on_aws(definition: Mapping[str, Any]) -> None:
    """`InvalidInput`: a broker before AWS cannot run it there."""
    ranges = definition.get("nodeProperties", {}).get("nodeRangeProperties")
    if ranges is None:
        on_instances(definition)
    elif any("eksProperties" in one for one in ranges):
        raise no_container(definition, "one whose nodes are pods")


def of_task(definition: Mapping[str, Any]) -> dict[str, Any]:
    task = definition["ecsProperties"]["taskProperties"][0]
    containers = task["containers"]
    if len(containers) > 1:
        raise no_container(definition, f"one of {len(containers)} containers")
    for name in ("ipcMode", "pidMode"):
        if name in task:
            raise no_container(definition, f"one with {name}")
    own = {name: value for name, value in containers[0].items() if name not in AMONG_OTHERS}
    return own | {ours: task[theirs] for theirs, ours in OF_TASK.items() if theirs in task}


def no_container(definition: Mapping[str, Any], got: str) -> InvalidInput:
    name = f"{definition['jobDefinitionName']}:{definition['revision']}"
    allowed = "one of a container or of nodes, for Linux: AWS Batch itself takes the others"
    return InvalidInput.of("jobDefinition", f"{name}, {got}", allowed)


def architecture(definition: Mapping[str, Any]) -> str | None:
    """Which one its image is for, where it says so."""
    return ARCHITECTURES.get(platform(definition).get("cpuArchitecture", ""))


def platform(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of definitions for Fargate: the others' is their instances'."""
    tasks = definition.get("ecsProperties", {}).get("taskProperties", ())
    task: Mapping[str, Any] = next(iter(tasks), {})
    said = (definition.get("containerProperties", {}), task)
    found: Mapping[str, Any] = next(filter(None, (one.get("runtimePlatform") for one in said)), {})
    return found


def first_container(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The essential container of an ECS task, else its first."""
    containers = [
        one for task in properties.get("taskProperties", ()) for one in task.get("containers", ())
    ]
    essential = [one for one in containers if one.get("essential", True)]
    return dict((essential or containers or [{}])[0])


def from_pod(pod: Mapping[str, Any]) -> dict[str, Any]:
    container: Mapping[str, Any] = next(iter(pod.get("containers", ())), {})
    found: dict[str, Any] = {}
    if "image" in container:
        found["image"] = container["image"]
    if command := [*container.get("command", ()), *container.get("args", ())]:
        found["command"] = command
    if "env" in container:
        found["environment"] = container["env"]
    asked = container.get("resources", {})
    if amounts := asked.get("requests", {}) | asked.get("limits", {}):
        found["resourceRequirements"] = [
            {"type": KUBERNETES[name], "value": str(amount).removesuffix(MIB_SUFFIX)}
            for name, amount in amounts.items()
            if name in KUBERNETES
        ]
    return found
