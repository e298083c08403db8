from __future__ import annotations

from typing import Any

import pytest

from queue_broker.wire.faults import Fault
from queue_broker.wire.properties import check_properties

AMOUNTS = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}]
PLAIN: dict[str, Any] = {"image": "busybox", "resourceRequirements": AMOUNTS}
FARGATE = PLAIN | {"executionRoleArn": "role"}
TASK: dict[str, Any] = {"containers": [PLAIN | {"name": "main"}]}
POD = {"podProperties": {"containers": [{"image": "busybox"}]}}
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
    volume = {"name": "data", "efsVolumeConfiguration": {"fileSystemId": "fs"} | more}
    return plain(volumes=[volume])


def nodes(*ranges: dict[str, Any], main: int = 1) -> dict[str, Any]:
    """A definition of two nodes."""
    listed = list(ranges) or [{"targetNodes": "0:1", "container": PLAIN}]
    properties = {"numNodes": 2, "mainNode": main, "nodeRangeProperties": listed}
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
        (defined(), "containerProperties: got nothing"),
        (defined(containerProperties=PLAIN, eksProperties=POD), "got an object beside"),
        (defined(containerProperties=PLAIN, nodeProperties={}), "only with type multinode"),
        (defined(eksProperties=POD, platformCapabilities=["EC2"]), "none for jobs on EKS"),
        (defined(eksProperties=POD, propagateTags=True), "none for jobs on EKS"),
        (plain(image=""), "image: got nothing"),
        (plain(networkConfiguration={"assignPublicIp": "ENABLED"}), "none for jobs on EC2"),
        (plain(fargatePlatformConfiguration={"platformVersion": "LATEST"}), "jobs on EC2"),
        (fargate(privileged=True), "privileged: got a value; allowed: none for jobs on Fargate"),
        (fargate(ulimits=[{"name": "nofile"}]), "ulimits"),
        (fargate(memory=2048), "memory: got a value"),
        (fargate(instanceType="m5.large"), "instanceType"),
        (fargate(linuxParameters={"sharedMemorySize": 64}), "linuxParameters.sharedMemorySize"),
        (fargate(executionRoleArn=""), "a role, which jobs on Fargate need"),
        (fargate(volumes=[{"name": "v", "host": {"sourcePath": "/"}}]), "host: got a value"),
        (
            fargate(resourceRequirements=[*AMOUNTS, {"type": "GPU", "value": "1"}]),
            "got GPU; allowed: none",
        ),
        (efs(rootDirectory="/a", authorizationConfig={"accessPointId": "a"}), "rootDirectory"),
        (efs(authorizationConfig={"iam": "ENABLED"}), "transitEncryption"),
        (tasks({"containers": [PLAIN | {"essential": False}]}), "at least one that is essential"),
        (tasks({"containers": [{"image": ""}]}), "image: got nothing"),
        (tasks(TASK | {"networkMode": "host"}), "networkMode: got a value"),
        (tasks(TASK, platformCapabilities=ON_FARGATE), "a role, which jobs on Fargate need"),
        (
            tasks(
                {"executionRoleArn": "r", "containers": [PLAIN | {"privileged": True}]},
                platformCapabilities=ON_FARGATE,
            ),
            r"containers\.1\.member\.privileged",
        ),
        (
            defined(containerProperties=PLAIN, platformCapabilities=["MANAGED_INSTANCES"]),
            "allowed: ecsProperties",
        ),
        ({"type": "multinode"}, "nodeProperties: got nothing"),
        ({"type": "multinode", "platformCapabilities": ON_FARGATE}, "allowed: EC2 for"),
        (nodes(main=2), "mainNode: got 2; allowed: the index of one of the 2 nodes"),
        (nodes({"targetNodes": "0"}), "member: got nothing; allowed: one of container, ecsProp"),
        (
            nodes({"targetNodes": ":", "container": PLAIN, "eksProperties": POD}),
            "got container and eksProperties",
        ),
        (nodes({"targetNodes": "0", "container": PLAIN}), "got none for node 1"),
        (nodes({"targetNodes": ":", "container": PLAIN | {"image": ""}}), "1.member.container.im"),
        (nodes(*[{"targetNodes": ":", "container": PLAIN}] * 6), "got 6; allowed: at most 5"),
    ],
)
def test_what_could_not_run_is_refused_with_the_member(given: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault, match=words):
        check_properties(given)
