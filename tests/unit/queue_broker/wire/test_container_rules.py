from __future__ import annotations

from typing import Any

import pytest

from queue_broker.wire.container_rules import (
    check_amounts,
    check_container,
    check_legacy,
    check_log,
    check_memory,
    check_platform,
)
from queue_broker.wire.faults import Fault

GPU = [{"type": "GPU", "value": "1"}]
SECRETS = [{"name": "S", "valueFrom": "arn"}]


def container(**more: Any) -> dict[str, Any]:
    return {"image": "busybox"} | more


def asking(**amounts: str) -> dict[str, Any]:
    return {"resourceRequirements": [{"type": k, "value": v} for k, v in amounts.items()]}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (container(image=""), "ECS Container Image must be provided."),
        (container(environment=[{"value": "1"}]), "Environment variable name is required."),
        (container(secrets=SECRETS), "executionRoleArn cannot be empty when using secrets"),
        (
            container(logConfiguration={"logDriver": "splunk", "secretOptions": SECRETS}),
            "executionRoleArn cannot be empty when using secrets",
        ),
        (container(linuxParameters={"maxSwap": 64}), "swappiness value is required."),
        (container(resourceRequirements=GPU * 2), "Cannot provide duplicates in resourceReq"),
    ],
)
def test_a_container_anywhere_is_refused_in_the_services_words(
    given: dict[str, Any], words: str
) -> None:
    with pytest.raises(Fault, match=words):
        check_container(given, None, fargate=False)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"privileged": True}, "Fargate requires that the ‘privileged’ setting be ‘false’"),
        ({"ulimits": [{"name": "nofile"}]}, "ulimits is not applicable for Fargate."),
        ({"instanceType": "m5.large"}, "instanceType is not applicable for Fargate."),
        ({"memory": 64}, "memory is not applicable for Fargate. Use resource requirements inst"),
        ({"linuxParameters": {"sharedMemorySize": 64}}, "linuxParameter.sharedMemorySize is not"),
        ({"linuxParameters": {"maxSwap": 64}}, "linuxParameter.maxSwap is not allowed for Farg"),
        ({"resourceRequirements": GPU}, "GPU is not applicable for Fargate."),
        ({"logConfiguration": {"logDriver": "syslog"}}, "Log driver for Fargate is not valid: s"),
    ],
)
def test_what_only_ec2_has_is_refused_on_fargate(more: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault, match=words):
        check_container(container(**more), "role", fargate=True)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "vCPU is required."),
        (asking(MEMORY="64"), "vCPU is not provided."),
        (asking(VCPU="1"), "Memory is not provided."),
        (asking(VCPU="1", MEMORY="64") | {"vcpus": 1}, "containerProperties vcpus and resourceR"),
        ({"vcpus": 0, "memory": 64}, "vCPU must be at least 1, got 0."),
        (asking(VCPU="1", MEMORY="3"), "Memory must be at least 4 Mib, got 3 Mib."),
        (asking(VCPU="1", MEMORY="64.5"), "Memory: got '64.5'; allowed: a whole number"),
        (asking(VCPU="inf", MEMORY="64"), "vCPU: got 'inf'; allowed: a number"),
        (asking(VCPU="1", MEMORY="64", GPU="some"), "GPU: got 'some'; allowed: a whole number"),
        (asking(VCPU="1", MEMORY="64", GPU="-1"), "GPU: got -1; allowed: a whole number, 0 or"),
    ],
)
def test_amounts_are_given_once_and_large_enough(given: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault, match=words):
        check_amounts(given)


def test_a_fraction_of_a_vcpu_is_taken() -> None:
    check_amounts(asking(VCPU="0.25", MEMORY="4", GPU="0"))
    check_memory(4)


def test_awslogs_takes_the_options_that_batch_knows() -> None:
    check_log({"logDriver": "awslogs", "options": {"awslogs-group": "g", "mode": "non-blocking"}})
    check_log({"logDriver": "splunk", "options": {"splunk-url": "u"}})
    with pytest.raises(Fault, match="Log driver awslogs disallows options: awslogs-grp"):
        check_log({"logDriver": "awslogs", "options": {"awslogs-grp": "g"}})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"operatingSystemFamily": "BSD"}, "RuntimePlatform supports only one from .*provided BSD"),
        (
            {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE", "cpuArchitecture": "ARM64"},
            "Windows supported only by X86_64 cpuArchitecture",
        ),
        (
            {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"},
            "vCPU must be at least 1 for Windows Job definition, got 0.5.",
        ),
    ],
)
def test_a_platform_that_there_is_not_is_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(Fault, match=words):
        check_platform(given, 0.5)


def test_a_job_on_fargate_overrides_its_amounts_in_the_newer_words() -> None:
    check_legacy(asking(VCPU="1"))
    with pytest.raises(Fault, match="vcpus is not applicable for Fargate"):
        check_legacy({"vcpus": 1})
