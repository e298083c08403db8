"""What the service wants of a pod, and of what its containers ask for, in its own words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from queue_broker.wire.faults import refused

MEMORY = re.compile(r"[0-9]+Mi")
#: A label's value, and what comes after the prefix of its key.
LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)")
LEAST_MEMORY_MIB = 4
#: vCPUs come in quarters.
QUARTER = 4
GPU = "nvidia.com/gpu"
#: What a container may ask for, as the service calls it where two amounts differ.
RESOURCES = {"cpu": "cpu", "memory": "memory", GPU: "gpu"}
#: Prefixes of keys that are Kubernetes' own.
RESERVED = ("kubernetes.io", "k8s.io")
NO_AMOUNTS = "cpu and memory resources must be provided."


def check_pod(pod: Mapping[str, Any]) -> None:
    containers = pod.get("containers", ())
    if not containers:
        raise refused("Containers must be provided for Batch on EKS jobs.")
    every = [*containers, *pod.get("initContainers", ())]
    check_names([one["name"] for one in every if "name" in one])
    volumes = pod.get("volumes", ())
    for one in volumes:
        check_empty(one.get("emptyDir", {}))
    known = {one["name"] for one in volumes if "name" in one}
    for one in every:
        check_amounts(one.get("resources", {}))
        if any(mount.get("name") not in known for mount in one.get("volumeMounts", ())):
            raise refused("The volumeMounts name is required for eksProperties.")
    for one in containers:
        check_asked(one.get("resources", {}))
    check_metadata(pod.get("metadata", {}))


def check_names(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise refused(f"The container name: {name} must be unique in multi-container job.")
        seen.add(name)


def check_empty(given: Mapping[str, Any]) -> None:
    """Of an `emptyDir`."""
    if given.get("medium", "") not in ("", "Memory"):
        raise refused("Invalid Volume mount. Allowed values - Memory or null.")
    if given.get("sizeLimit") and not MEMORY.fullmatch(given["sizeLimit"]):
        raise refused("Invalid empty dir size limit.")


def check_asked(resources: Mapping[str, Any]) -> None:
    asked = resources.get("limits", {}) | resources.get("requests", {})
    if "cpu" not in asked or "memory" not in asked:
        raise refused(NO_AMOUNTS)


def check_amounts(resources: Mapping[str, Any]) -> None:
    """Where an amount is asked for and limited, both are the same; of vCPUs the limit may be more.

    Kubernetes has other spellings; Batch takes whole Mi and quarters of a vCPU.
    """
    limits, requests = resources.get("limits", {}), resources.get("requests", {})
    for amounts in (limits, requests):
        for name, value in amounts.items():
            check_amount(name, value)
    for name in ("memory", GPU):
        if name in limits and name in requests and limits[name] != requests[name]:
            told = RESOURCES[name]
            words = f"must be equal to {told} limit if both are provided."
            raise refused(f"{told} request {words}")
    most, asked = quarters(limits.get("cpu", "")), quarters(requests.get("cpu", ""))
    if most is not None and asked is not None and most < asked:
        raise refused("cpu request must be <= to cpu limit if both are provided.")


def check_amount(name: str, value: str) -> None:
    if name not in RESOURCES:
        raise refused(f"{name} is not a supported type for resources.")
    if name == "memory" and not is_memory(value):
        raise refused(f"Value {value} for type memory is not valid.")
    if name == "cpu" and quarters(value) is None:
        words = "in resources is not valid. Provide a valid number and unit."
        raise refused(f"Value {value} for type cpu {words}")
    if name == GPU and not (value.isascii() and value.isdecimal()):
        raise refused(f"Value {value} for type {GPU} in resources is not valid.")


def is_memory(text: str) -> bool:
    return MEMORY.fullmatch(text) is not None and int(text[:-2]) >= LEAST_MEMORY_MIB


def quarters(text: str) -> int | None:
    """So many quarters of a vCPU; None for what is no multiple of one."""
    try:
        found = float(text) * QUARTER
    except ValueError:
        return None
    return int(found) if 0 < found < 2**31 and found.is_integer() else None


def check_metadata(given: Mapping[str, Any]) -> None:
    check_namespace(given.get("namespace"), end=".")
    for key, value in given.get("labels", {}).items():
        check_key(key, "label")
        if value and not LABEL.fullmatch(value):
            raise refused(f"The pod label value {value} does not match a valid pattern.")
    for key in given.get("annotations", {}):
        check_key(key, "annotation")


def check_key(key: str, kind: str) -> None:
    prefix, slash, name = key.rpartition("/")
    if slash and prefix.endswith(RESERVED):
        words = "key cannot contain terms from the Kubernetes reserved namespaces."
        raise refused(f"The prefix {prefix} of the pod {kind} {words}")
    if not LABEL.fullmatch(name):
        words = f"of the pod {kind} key does not match a valid pattern."
        raise refused(f"The name {name} {words}")


def check_namespace(name: str | None, end: str = "") -> None:
    """Of pods, or of an environment."""
    if name == "default":
        raise refused(f"kubernetesNamespace cannot be the default Kubernetes namespace{end}")
    if name is not None and name.startswith("kube-"):
        words = "a reserved Kubernetes system namespace"
        raise refused(f"kubernetesNamespace cannot be {words}{end}")
