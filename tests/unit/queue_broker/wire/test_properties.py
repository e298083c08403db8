from __future__ import annotations

from typing import Any

import pytest

from queue_broker.wire.faults import Fault
from queue_broker.wire.properties import check_properties

AMOUNTS = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}]
PLAIN: dict[str, Any] = {"image": "busybox", "resourceRequirements": AMOUNTS}
FARGATE = PLAIN | {"executionRoleArn": "role"}
TASK: dict[str, Any] = {"containers": [PLAIN | {"name": "main"}]}
NEEDED = {"limits": {"cpu": "1", "memory": "64Mi"}}
POD = {"podProperties": {"containers": [{"image": "busybox", "resources": NEEDED}]}}
ON_FARGATE = ["FARGATE"]


def defined(**more: Any) -> dict[str, Any]:
    return {"type": "container"} | more


def plain(**more: Any) -> dict[str, Any]:
    return defined(containerProperties=PLAIN | more)


def fargate(**more: Any) -> dict[str, Any]:
    return defined(containerProperties=FARGATE | more, platformCapabilities=ON_FARGATE)


def tasks(*task: dict[str, Any], **more: Any) -> dict[str, Any]:
    return defined(ecsProperties={"taskProperties": list(task)}, **more)


def efs(**more: Any) -> dict[str, Any]:
    volume = {"name": "data", "efsVolumeConfiguration": {"fileSystemId": "fs-1"} | more}
    return plain(volumes=[volume])


def nodes(*ranges: dict[str, Any], main: int = 1, count: int = 2) -> dict[str, Any]:
    """A definition of two nodes."""
    listed = list(ranges) or [{"targetNodes": "0:1", "container": PLAIN}]
    properties = {"numNodes": count, "mainNode": main, "nodeRangeProperties": listed}
    return {"type": "multinode", "nodeProperties": properties}


@pytest.mark.parametrize(
    "given",
    [
        plain(),
        plain(privileged=True, ulimits=[{"name": "nofile", "softLimit": 1, "hardLimit": 1}]),
        plain(linuxParameters={"sharedMemorySize": 64}),
        fargate(),
        fargate(privileged=False, ulimits=[], networkConfiguration={"assignPublicIp": "ENABLED"}),
        fargate(linuxParameters={"initProcessEnabled": True}),
        tasks(TASK),
        tasks(TASK | {"networkMode": "host"}, platformCapabilities=["MANAGED_INSTANCES"]),
        defined(eksProperties=POD),
        defined(eksProperties=POD, propagateTags=False),
        efs(rootDirectory="/data"),
        efs(transitEncryption="ENABLED", authorizationConfig={"accessPointId": "a"}),
        nodes(),
        nodes({"targetNodes": "0:1", "ecsProperties": {"taskProperties": [TASK]}}),
        nodes({"targetNodes": "0:1", "eksProperties": POD}),
    ],
)
def test_what_can_run_is_taken(given: dict[str, Any]) -> None:
    check_properties(given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (defined(), "ECS ContainerProperties, ecsProperties, or eksProperties is required when"),
        (defined(containerProperties=PLAIN, eksProperties=POD), "both ECS containerProperties and"),
        (defined(ecsProperties={}, eksProperties=POD), "both ecsProperties and eksProperties"),
        (defined(eksProperties=POD, nodeProperties={}), "both nodeProperties and eksProperties"),
        (defined(eksProperties=POD, platformCapabilities=["EC2"]), "none for jobs on EKS"),
        (defined(eksProperties=POD, propagateTags=True), "does not support tag propagation"),
        (defined(platformCapabilities=["EC2", "FARGATE"]), "Exactly 1 capability must be"),
        (defined(retryStrategy={}), "RetryAttempts must be provided with retry strategy"),
        (
            defined(containerProperties=PLAIN, platformCapabilities=["MANAGED_INSTANCES"]),
            "Cannot use ECS containerProperties for MANAGED_INSTANCES",
        ),
        (plain(networkConfiguration={"assignPublicIp": "ENABLED"}), "not applicable for EC2."),
        (plain(fargatePlatformConfiguration={"platformVersion": "LATEST"}), "applicable for EC2"),
        (plain(runtimePlatform={"cpuArchitecture": "ARM64"}), "runtimePlatform is not applicable"),
        (fargate(executionRoleArn=""), "executionRoleArn is required for Fargate jobs."),
        (
            fargate(
                fargatePlatformConfiguration={"platformVersion": "1.3.0"},
                volumes=[{"efsVolumeConfiguration": {"fileSystemId": "fs-1"}}],
            ),
            "EFS is supported for Fargate platform versions 1.4.0 or later, provided 1.3.0",
        ),
        (tasks(TASK | {"networkMode": "host"}), "networkMode: got a value"),
    ],
)
def test_what_could_not_run_is_refused_as_the_service_does(
    given: dict[str, Any], words: str
) -> None:
    with pytest.raises(Fault, match=words):
        check_properties(given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"type": "multinode"}, "Node properties of multinode job is required."),
        ({"type": "multinode", "platformCapabilities": ON_FARGATE}, "Fargate does not support MNP"),
        (
            {"type": "multinode", "platformCapabilities": ["MANAGED_INSTANCES"]},
            "MANAGED_INSTANCES does not support MNP jobs",
        ),
        (nodes() | {"eksProperties": POD}, "both nodeProperties and eksProperties"),
        (nodes(count=0), "Number of nodes must be between 1 and 1000."),
        (nodes(main=2), "mainNode: got 2; allowed: the index of one of the 2 nodes"),
        (nodes({"targetNodes": "0"}), "Must specify container for node range 0"),
        (nodes({"targetNodes": ""}), "targetNodes should contain only digits."),
        (
            nodes({"targetNodes": "0:5", "container": PLAIN}),
            "Node range error 0:5. Node range should be smaller than number of nodes",
        ),
        (
            nodes({"targetNodes": ":", "container": PLAIN, "ecsProperties": {}}),
            "can not use both ecsProperties and container fields",
        ),
        (
            nodes({"targetNodes": ":", "container": PLAIN, "instanceTypes": ["m5.large"]}),
            "only allowed for ecsProperties jobs.",
        ),
        (nodes({"targetNodes": "0", "container": PLAIN}), "target nodes have missing ranges"),
        (nodes({"targetNodes": ":", "container": PLAIN | {"image": ""}}), "Image must be provided"),
        (nodes(*[{"targetNodes": ":", "container": PLAIN}] * 6), "node range properties is 5"),
    ],
)
def test_nodes_that_could_not_run_are_refused_as_the_service_does(
    given: dict[str, Any], words: str
) -> None:
    with pytest.raises(Fault, match=words):
        check_properties(given)
