from __future__ import annotations

from typing import Any

import pytest

from queue_broker.wire.faults import Fault
from queue_broker.wire.tasks import check_tasks

MAIN: dict[str, Any] = {"name": "main", "image": "busybox"}
SIDE = MAIN | {"name": "side", "essential": False}
ROUTER = SIDE | {"firelensConfiguration": {"type": "fluentbit"}}
ROUTED = MAIN | {"logConfiguration": {"logDriver": "awsfirelens"}}


def task(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"taskProperties": [{"containers": list(containers)} | more]}


def after(name: str, condition: str = "SUCCESS") -> dict[str, Any]:
    return MAIN | {"dependsOn": [{"containerName": name, "condition": condition}]}


@pytest.mark.parametrize(
    "properties",
    [
        task(MAIN),
        task(after("side"), SIDE),
        task(ROUTED, ROUTER),
        task(after("other", "START"), MAIN | {"name": "other"}),
    ],
)
def test_containers_that_can_run_together_are_taken(properties: dict[str, Any]) -> None:
    check_tasks(properties, "EC2")


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        (task(MAIN | {"image": ""}), "ECS Container Image must be provided."),
        (task(SIDE), "At least one container must be set as essential"),
        (task(MAIN, MAIN), "Container names must be unique"),
        (task(after("side")), "can not be used in a single-container job."),
        (task(after("none"), SIDE), "containerName none must reference a defined container."),
        (task(after("side", "HEALTHY"), SIDE), "TaskContainer dependency HEALTHY is not valid."),
        (task(after("other"), MAIN | {"name": "other"}), "SUCCESS if the target is essential"),
        (task(MAIN, ROUTER), "be configured with the awsfirelens log driver"),
        (task(ROUTED | {"user": "me"}, ROUTER | {"user": "me"}), "has to run as root"),
        (task(MAIN, networkMode="host"), "networkMode: got a value; allowed: none for EC2"),
    ],
)
def test_others_are_refused_in_the_services_words(properties: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault, match=words):
        check_tasks(properties, "EC2")


def test_a_task_on_fargate_has_an_execution_role_and_nothing_of_ec2() -> None:
    with pytest.raises(Fault, match="executionRoleArn is required for Fargate"):
        check_tasks(task(MAIN), "FARGATE")
    with pytest.raises(Fault, match="Fargate requires that"):
        check_tasks(task(MAIN | {"privileged": True}, executionRoleArn="r"), "FARGATE")


def test_managed_instances_are_linux() -> None:
    windows = {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}
    with pytest.raises(Fault, match="for MANAGED_INSTANCES only supports LINUX"):
        check_tasks(task(MAIN, runtimePlatform=windows), "MANAGED_INSTANCES")
