"""Jobs whose definitions say them as tasks of ECS and as pods."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.queue_broker.wire.batch import Batch, record


def test_an_essential_container_speaks_for_an_ecs_task(batch: Batch) -> None:
    main = {"name": "main", "image": "busybox", "command": ["echo", "main"]}
    side = {"name": "side", "image": "logger", "essential": False}
    batch.client.register_job_definition(
        jobDefinitionName="ecs",
        type="container",
        ecsProperties={"taskProperties": [{"containers": [side, main]}]},
    )
    job_id = batch.submit(jobDefinition="ecs")
    assert record(batch, job_id).job.command == ("echo", "main")
    told = batch.describe(job_id)["ecsProperties"]["taskProperties"][0]["containers"]
    assert [one["name"] for one in told] == ["side", "main"]


def test_where_an_ecs_task_ran_and_how_it_ended_stand_where_clients_look(batch: Batch) -> None:
    main = {"name": "main", "image": "busybox", "command": ["true"]}
    batch.client.register_job_definition(
        jobDefinitionName="ecs",
        type="container",
        ecsProperties={"taskProperties": [{"containers": [main]}]},
    )
    job_id = batch.submit(jobDefinition="ecs")
    batch.turn()
    told = batch.describe(job_id)
    task = told["ecsProperties"]["taskProperties"][0]
    (tried,) = told["attempts"][0]["taskProperties"]
    assert task["taskArn"] == tried["taskArn"]
    assert task["containerInstanceArn"].startswith("arn:aws:ecs:")
    (container,) = tried["containers"]
    assert (container["name"], container["exitCode"]) == ("main", 0)
    assert container["logStreamName"] == task["containers"][0]["logStreamName"]


def test_a_pods_attempts_are_told_as_eks_attempts(batch: Batch) -> None:
    container = {"name": "main", "image": "i", "command": ["x"]}
    needed = {"limits": {"cpu": "1", "memory": "64Mi"}}
    pod: Any = {"podProperties": {"containers": [container | {"resources": needed}]}}
    batch.client.register_job_definition(
        jobDefinitionName="pod", type="container", eksProperties=pod
    )
    job_id = batch.submit(jobDefinition="pod")
    batch.turn()
    told = batch.describe(job_id)
    (tried,) = told["eksAttempts"]
    assert told["attempts"] == []
    assert tried["containers"] == [{"name": "main", "exitCode": 0}]
    assert tried["podName"] == told["eksProperties"]["podProperties"]["podName"]
    assert tried["stoppedAt"] == told["stoppedAt"]


def test_a_job_on_kubernetes_runs_its_pods_container(batch: Batch) -> None:
    pod: dict[str, Any] = {
        "podProperties": {
            "containers": [
                {
                    "image": "busybox",
                    "command": ["sh", "-c"],
                    "args": ["echo hello"],
                    "env": [{"name": "A", "value": "1"}],
                    "resources": {"limits": {"cpu": "1", "memory": "1024Mi"}},
                }
            ]
        }
    }
    batch.client.register_job_definition(
        jobDefinitionName="pod", type="container", eksProperties=pod
    )
    resources = {"requests": {"cpu": "2", "memory": "2048Mi"}}
    override = {"podProperties": {"containers": [{"resources": resources}]}}
    job_id = batch.submit(jobDefinition="pod", eksPropertiesOverride=override)
    job = record(batch, job_id).job
    assert job.command == ("sh", "-c", "echo hello")
    assert (job.resources.vcpu, job.resources.memory_mib) == (2, 2048)
    told = batch.describe(job_id)["eksProperties"]["podProperties"]["containers"][0]
    assert (told["image"], told["resources"]) == ("busybox", resources)
    assert "container" not in batch.describe(job_id)


def test_a_pod_is_overridden_in_words_of_pods_and_a_task_in_those_of_tasks(batch: Batch) -> None:
    pod = {
        "containers": [
            {"image": "busybox", "resources": {"limits": {"cpu": "1", "memory": "64Mi"}}}
        ]
    }
    batch.client.register_job_definition(
        jobDefinitionName="pod", type="container", eksProperties={"podProperties": pod}
    )
    tasks = {"taskProperties": [{"containers": [{"name": "c", "command": ["true"]}]}]}
    words = r"operation.*: Container overrides or node overrides should not be set for Batch on EKS"
    with pytest.raises(ClientError, match=words):
        batch.submit(jobDefinition="pod", containerOverrides={"command": ["true"]})
    with pytest.raises(ClientError, match="ecsPropertiesOverride: got an object"):
        batch.submit(jobDefinition="pod", ecsPropertiesOverride=tasks)
    override = {"podProperties": {"containers": [{"command": ["true"]}]}}
    with pytest.raises(ClientError, match="eksPropertiesOverride: got an object"):
        batch.submit(eksPropertiesOverride=override)
