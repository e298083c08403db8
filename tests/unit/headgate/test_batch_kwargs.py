from __future__ import annotations

from typing import Any

import pytest

from headgate.batch_kwargs import from_batch
from headgate.errors import InvalidInput
from headgate.job import Dependency, EvaluateOnExit, Job, RetryStrategy
from headgate.resources import ResourceRequest
from headgate.sweep import Sweep

PLAIN: dict[str, Any] = {"jobName": "train", "jobQueue": "prod", "jobDefinition": "train:3"}


def test_the_least_that_batch_takes_is_a_job() -> None:
    assert from_batch(PLAIN) == Job(name="train", queue="prod", definition="train:3")


def test_who_gives_a_jobs_own_fields_is_told_of_the_job() -> None:
    with pytest.raises(
        InvalidInput, match=r"^submit: got 'name, command'; allowed: headgate.Job\("
    ):
        from_batch({"name": "train", "command": ["true"]})


def test_every_argument_keeps_its_meaning() -> None:
    job = from_batch(
        PLAIN
        | {
            "shareIdentifier": "vision",
            "schedulingPriorityOverride": 7,
            "dependsOn": [{"jobId": "a"}, {"jobId": "b", "type": "N_TO_N"}],
            "parameters": {"lr": "0.1"},
            "containerOverrides": {
                "command": ["python", "train.py", "Ref::lr"],
                "environment": [{"name": "SEED", "value": "1"}],
                "resourceRequirements": [
                    {"type": "VCPU", "value": "0.5"},
                    {"type": "MEMORY", "value": "2048"},
                    {"type": "GPU", "value": "1"},
                ],
            },
            "retryStrategy": {
                "attempts": 3,
                "evaluateOnExit": [{"onExitCode": "1*", "action": "retry"}],
            },
            "timeout": {"attemptDurationSeconds": 600},
            "tags": {"team": "vision"},
            "propagateTags": True,
        }
    )

    assert job == Job(
        name="train",
        queue="prod",
        definition="train:3",
        tenant="vision",
        priority=7,
        depends_on=(Dependency(job_id="a"), Dependency(job_id="b", type="N_TO_N")),
        parameters={"lr": "0.1"},
        command=("python", "train.py", "Ref::lr"),
        environment={"SEED": "1"},
        resources=ResourceRequest(vcpu=0.5, memory_mib=2048, gpus=1),
        retry_strategy=RetryStrategy(
            attempts=3, evaluate_on_exit=(EvaluateOnExit(action="RETRY", on_exit_code="1*"),)
        ),
        timeout_s=600,
        tags={"team": "vision"},
    )


def test_an_array_is_a_sweep_told_apart_by_index() -> None:
    sweep = from_batch(PLAIN | {"arrayProperties": {"size": 100}})

    assert isinstance(sweep, Sweep)
    assert (sweep.size, sweep.job.name) == (100, "train")


def test_a_sequential_array_waits_for_itself() -> None:
    array = {"arrayProperties": {"size": 2}, "dependsOn": [{"type": "SEQUENTIAL"}]}

    sweep = from_batch(PLAIN | array)

    assert isinstance(sweep, Sweep)
    assert sweep.job.depends_on == (Dependency(job_id="self", type="SEQUENTIAL"),)


def test_sequential_with_a_job_is_a_plain_dependency() -> None:
    job = from_batch(PLAIN | {"dependsOn": [{"jobId": "j1", "type": "SEQUENTIAL"}]})

    assert isinstance(job, Job)
    assert job.depends_on == (Dependency(job_id="j1"),)


def test_an_empty_command_is_the_definition_s() -> None:
    job = from_batch(PLAIN | {"containerOverrides": {"command": []}})

    assert isinstance(job, Job)
    assert "command" not in job.model_fields_set


def test_the_old_ways_to_ask_for_memory_and_cores_still_work() -> None:
    job = from_batch(PLAIN | {"containerOverrides": {"memory": 512, "vcpus": 2}})

    assert isinstance(job, Job)
    assert job.resources == ResourceRequest(vcpu=2, memory_mib=512)


def test_a_queue_may_be_named_by_its_arn() -> None:
    job = from_batch(PLAIN | {"jobQueue": "arn:aws:batch:eu-west-1:123456789012:job-queue/prod"})

    assert isinstance(job, Job)
    assert job.queue == "prod"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"jobName": None}, "jobName: got 'nothing'"),
        ({"nodeOverrides": {"numNodes": 2}}, "nodeOverrides: got .* allowed: one of arrayProp"),
        ({"containerOverrides": {"instanceType": "p4d"}}, "containerOverrides.instanceType"),
        ({"containerOverrides": ["x"]}, "containerOverrides: got .* an object"),
        ({"dependsOn": "a"}, "dependsOn: got 'a'; allowed: a list of objects"),
        ({"dependsOn": [{"job": "a"}]}, "dependsOn.0.job: "),
        ({"arrayProperties": {"size": 0}}, "size: got 0"),
        (
            {"containerOverrides": {"resourceRequirements": [{"type": "TPU", "value": "1"}]}},
            "resourceRequirements.0.type: got 'TPU'; allowed: VCPU, MEMORY or GPU",
        ),
        (
            {"containerOverrides": {"resourceRequirements": [{"type": "MEMORY", "value": "big"}]}},
            "resources.memory_mib: got 'big'",
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        from_batch(PLAIN | arguments)
