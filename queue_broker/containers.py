"""The one container that says what a job runs: of plain, ECS and EKS properties alike.

The answer is in the words of `containerProperties`: image, command, environment,
resourceRequirements, vcpus, memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Kubernetes' suffixes that Batch takes for memory, in MiB.
MIB_SUFFIX = "Mi"
KUBERNETES = {"cpu": "VCPU", "memory": "MEMORY", "nvidia.com/gpu": "GPU"}


def of_definition(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Empty for a multinode definition: each range of its nodes has its own."""
    if "eksProperties" in definition:
        return from_pod(definition["eksProperties"].get("podProperties", {}))
    if "ecsProperties" in definition:
        return first_container(definition["ecsProperties"])
    return dict(definition.get("containerProperties", {}))


def of_overrides(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a submission overrides, whichever way it says so."""
    if "eksPropertiesOverride" in request:
        return from_pod(request["eksPropertiesOverride"].get("podProperties", {}))
    if "ecsPropertiesOverride" in request:
        return first_container(request["ecsPropertiesOverride"])
    return dict(request.get("containerOverrides", {}))


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
