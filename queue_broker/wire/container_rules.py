"""What the service wants of one container beyond its model's types, in its own words.

Source: the API reference of AWS Batch, 2016-08-10, and what RegisterJobDefinition was seen to say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from queue_broker.wire.faults import refused

LEAST_MEMORY_MIB = 4
#: Each amount's older member, and the word for it.
AMOUNTS = (("VCPU", "vcpus", "vCPU"), ("MEMORY", "memory", "Memory"))
#: Members that only EC2 has, or only Fargate.
NOT_ON_FARGATE = ("ulimits", "instanceType")
NOT_ON_EC2 = ("networkConfiguration", "fargatePlatformConfiguration")
LINUX_NOT_ON_FARGATE = ("devices", "sharedMemorySize", "tmpfs", "maxSwap", "swappiness")
PRIVILEGED = "Fargate requires that the ‘privileged’ setting be ‘false’ at the container level."
DRIVERS = ("awslogs", "splunk", "awsfirelens")
#: Of the log driver awslogs.
OPTIONS = {
    *("awslogs-group", "awslogs-region", "awslogs-stream-prefix", "awslogs-datetime-format"),
    *("awslogs-multiline-pattern", "awslogs-create-group", "mode", "max-buffer-size"),
}
NO_ROLE = "executionRoleArn cannot be empty when using secrets or secretOptions"
NO_SWAPPINESS = "When container specified swap memory, swappiness value is required."
WINDOWS = "WINDOWS_SERVER_"
FAMILIES = (
    *("WINDOWS_SERVER_2019_CORE", "WINDOWS_SERVER_2019_FULL"),
    *("WINDOWS_SERVER_2022_CORE", "WINDOWS_SERVER_2022_FULL", "LINUX"),
)


def check_container(container: Mapping[str, Any], role: str | None, *, fargate: bool) -> None:
    """Of a definition or of one of its tasks' containers. `role`: the one that starts it."""
    if not container.get("image"):
        raise refused("ECS Container Image must be provided.")
    if any(not one.get("name") for one in container.get("environment", ())):
        raise refused("Environment variable name is required.")
    if fargate:
        check_on_fargate(container)
    log = container.get("logConfiguration", {})
    check_log(log)
    if not role and (container.get("secrets") or log.get("secretOptions")):
        raise refused(NO_ROLE)
    linux = container.get("linuxParameters", {})
    if linux.get("maxSwap") and "swappiness" not in linux:
        raise refused(NO_SWAPPINESS)
    asked = [one["type"] for one in container.get("resourceRequirements", ())]
    if len(set(asked)) < len(asked):
        raise refused("Cannot provide duplicates in resourceRequirements.")


def check_on_fargate(container: Mapping[str, Any]) -> None:
    """What only EC2 has."""
    if container.get("privileged"):
        raise refused(PRIVILEGED)
    check_legacy(container)
    for name in NOT_ON_FARGATE:
        if container.get(name):
            raise refused(f"{name} is not applicable for Fargate.")
    for name in LINUX_NOT_ON_FARGATE:
        if container.get("linuxParameters", {}).get(name):
            raise refused(f"linuxParameter.{name} is not allowed for Fargate.")
    if "GPU" in {one["type"] for one in container.get("resourceRequirements", ())}:
        raise refused("GPU is not applicable for Fargate.")
    driver = container.get("logConfiguration", {}).get("logDriver")
    if driver and driver not in DRIVERS:
        raise refused(f"Log driver for Fargate is not valid: {driver}")


def check_legacy(container: Mapping[str, Any]) -> None:
    """Of a container on Fargate, or of what a job there overrides of it."""
    for _, name, _ in AMOUNTS:
        if container.get(name):
            words = "is not applicable for Fargate. Use resource requirements instead."
            raise refused(f"{name} {words}")


def check_on_ec2(container: Mapping[str, Any]) -> None:
    """What only Fargate has."""
    for name in NOT_ON_EC2:
        if container.get(name):
            raise refused(f"{name} not applicable for EC2.")
    if container.get("runtimePlatform"):
        raise refused("runtimePlatform is not applicable for EC2.")


def check_log(given: Mapping[str, Any]) -> None:
    if given.get("logDriver") != "awslogs":
        return
    if unknown := sorted(given.get("options", {}).keys() - OPTIONS):
        raise refused(f"Log driver awslogs disallows options: {', '.join(unknown)}")


def check_platform(given: Mapping[str, Any], vcpu: float | None) -> None:
    """Of a `runtimePlatform`."""
    family = given.get("operatingSystemFamily", "LINUX")
    if family != "LINUX" and not family.startswith(WINDOWS):
        known = f"one from [{', '.join(FAMILIES)}] operating systems"
        raise refused(f"RuntimePlatform supports only {known}, provided {family}")
    if not family.startswith(WINDOWS):
        return
    if given.get("cpuArchitecture", "X86_64") != "X86_64":
        raise refused("Windows supported only by X86_64 cpuArchitecture")
    if vcpu is not None and vcpu < 1:
        words = "for Windows Job definition"
        raise refused(f"vCPU must be at least 1 {words}, got {vcpu:g}.")


def check_amounts(container: Mapping[str, Any]) -> None:
    """vCPUs and memory, each given once somewhere, and GPUs."""
    asked = {one["type"]: one["value"] for one in container.get("resourceRequirements", ())}
    for kind, legacy, words in AMOUNTS:
        if kind in asked and container.get(legacy):
            both = f"containerProperties {legacy} and resourceRequirement {kind}"
            raise refused(f"Cannot use both ECS {both}.")
        value = asked.get(kind, container.get(legacy))
        if value is None:
            raise refused(f"{words} is {'not provided' if asked else 'required'}.")
        number = amount(value, kind, words)
        if kind == "MEMORY":
            check_memory(number)
        elif number <= 0:
            raise refused(f"vCPU must be at least 1, got {number:g}.")
    gpus = amount(asked.get("GPU", "0"), "GPU", "GPU")
    if gpus < 0:
        raise refused(f"GPU: got {gpus:g}; allowed: a whole number, 0 or more")


def check_memory(mib: float) -> None:
    """Of a definition, or of a job that asks for its own."""
    if mib < LEAST_MEMORY_MIB:
        raise refused(f"Memory must be at least {LEAST_MEMORY_MIB} Mib, got {mib:g} Mib.")


def amount(value: object, kind: str, words: str) -> float:
    """Refused here, or each of the definition's jobs would be."""
    whole = kind != "VCPU"
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (whole and not number.is_integer()):
        allowed = "a whole number" if whole else "a number"
        raise refused(f"{words}: got {value!r}; allowed: {allowed}")
    return number
