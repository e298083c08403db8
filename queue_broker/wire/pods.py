"""What the service wants of a pod, and of the amounts that its containers ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from queue_broker.wire.faults import refused

MEMORY = re.compile(r"[0-9]+Mi")
LEAST_MEMORY_MIB = 4
#: vCPUs come in quarters.
QUARTER = 4
PATH = "eksProperties.podProperties"


def check_pod(pod: Mapping[str, Any]) -> None:
    containers = pod.get("containers", ())
    if not containers:
        raise refused("podProperties must contain at least one container")
    every = [*containers, *pod.get("initContainers", ())]
    names = [one["name"] for one in every if "name" in one]
    if len(set(names)) < len(names):
        raise refused(f"{PATH}.containers: got a name twice; allowed: each name once in a pod")
    known = {one["name"] for one in pod.get("volumes", ()) if "name" in one}
    for one in every:
        check_amounts(one.get("resources", {}))
        for mount in one.get("volumeMounts", ()):
            if mount.get("name") not in known:
                words = "the name of one of the pod's volumes"
                got = f"{PATH}: volumeMounts: got {mount.get('name')!r}"
                raise refused(f"{got}; allowed: {words}")


def check_amounts(resources: Mapping[str, Any]) -> None:
    """Where an amount is asked for and limited, both are the same; of vCPUs the limit may be more.

    Kubernetes has other spellings; Batch takes whole Mi and quarters of a vCPU.
    """
    limits, requests = resources.get("limits", {}), resources.get("requests", {})
    for where, amounts in (("limits", limits), ("requests", requests)):
        memory, cpu = amounts.get("memory"), amounts.get("cpu")
        if memory is not None and not is_memory(memory):
            words = f"at least {LEAST_MEMORY_MIB}Mi, a whole number with Mi"
            raise refused(f"{PATH}: {where}.memory: got {memory!r}; allowed: {words}")
        if cpu is not None and quarters(cpu) is None:
            words = "a multiple of 0.25 above 0"
            raise refused(f"{PATH}: {where}.cpu: got {cpu!r}; allowed: {words}")
    for name in ("memory", "nvidia.com/gpu"):
        if name in limits and name in requests and limits[name] != requests[name]:
            got = f"{limits[name]!r} and {requests[name]!r}"
            raise refused(f"{PATH}: {name}: got {got}; allowed: the same in limits and requests")
    most, asked = quarters(limits.get("cpu", "")), quarters(requests.get("cpu", ""))
    if most is not None and asked is not None and most < asked:
        words = "a limit no less than what is requested"
        got = f"{limits['cpu']!r} and {requests['cpu']!r}"
        raise refused(f"{PATH}: cpu: got {got}; allowed: {words}")


def is_memory(text: str) -> bool:
    return MEMORY.fullmatch(text) is not None and int(text[:-2]) >= LEAST_MEMORY_MIB


def quarters(text: str) -> int | None:
    """So many quarters of a vCPU; None for what is no multiple of one."""
    try:
        found = float(text) * QUARTER
    except ValueError:
        return None
    return int(found) if 0 < found < 2**31 and found.is_integer() else None
