from __future__ import annotations

from typing import Any

import pytest

from headgate.errors import InvalidInput
from headgate.job import Input, Job
from headgate.lifecycle import Cause
from headgate.resources import ResourceRequest, Resources
from headgate.usage import Meter, Observation, Usage
from predictor.history import to_table
from training.import_batch import from_describe_jobs
from training.import_nextflow import from_trace
from training.import_table import from_rows
from training.imports import Import, unseen


def read_table(rows: list[dict[str, Any]]) -> Import:
    (found,) = from_rows(rows[0], rows)
    return found


def read_jobs(jobs: list[dict[str, Any]]) -> Import:
    (found,) = from_describe_jobs(jobs)
    return found


def test_a_file_that_is_no_trace_names_the_missing_columns() -> None:
    with pytest.raises(InvalidInput, match="realtime"):
        from_trace(["name", "status"], [])


def test_the_documented_table_takes_parameters_and_tags_as_columns() -> None:
    row = {"name": "etl", "finished_at_s": 1.7e9, "runtime_s": 5, "peak_memory_mib": 10.5}
    spread = {"parameter.rows": 3.0, "parameter.kind": "x", "tag.team": "a", "input_bytes": 99}
    found = read_table([row | spread])
    assert found.dropped == []
    job = found.observations[0].job
    assert job.parameters == {"rows": 3, "kind": "x"}
    assert (job.tags, job.input_bytes()) == ({"team": "a"}, 99)


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        ("peak_memory_mib", 8e9, "unit"),
        ("runtime_s", -1, "runtime_s"),
        ("finished_at_s", 1.7e12, "seconds"),
        ("cause", "exploded", "allowed"),
        ("name", "", "name"),
        ("exit_code", 1e20, "exit_code"),
        ("attempt", -1, "attempt"),
        ("allocation_memory_mib", 1e20, "allocation_memory_mib"),
    ],
)
def test_a_row_that_cannot_be_true_is_dropped_by_name(
    column: str, value: object, word: str
) -> None:
    good = {"name": "etl", "finished_at_s": 1.7e9, "runtime_s": 5.0, "peak_memory_mib": 10.0}
    found = read_table([good, good | {column: value}])
    assert len(found.observations) == 1
    assert found.dropped[0][0] == 2
    assert word in found.dropped[0][1]


def test_a_lake_s_own_columns_are_read_as_they_were_written() -> None:
    job = Job(
        name="etl",
        command=("etl", "Ref::day"),
        inputs=(Input(uri="s3://b/a", size_bytes=9),),
        parameters={"depth": 3},
        resources=ResourceRequest(arch="arm64", ceiling=True, gpus=2),
        tags={"z": "1", "a": "2"},
        priority=7,
        timeout_s=90,
    )
    usage = Usage(5.0, 10.5, 2.5, 700.0, 0.5, Meter.PSS)
    given = Resources(1.5, 512, 2)
    item = Observation(
        job, usage, Cause.TIMEOUT, 143, 2, 1.7e9, given, parameters={"day": "mon", "n": 1}
    )

    found = read_table(to_table([item]).to_pylist())

    assert found == Import([item])


def test_the_same_attempt_is_known_whatever_the_order_of_its_tags() -> None:
    row = {"name": "etl", "finished_at_s": 1.7e9, "runtime_s": 5}
    known = to_table(read_table([row | {"tag.z": "1", "tag.a": "2"}]).observations)
    again = read_table([row | {"tag.a": "2", "tag.z": "1"}]).observations
    other = read_table([row | {"tag.z": "1", "tag.a": "3"}]).observations

    assert unseen(to_table([*again, *other, *other]), known).equals(to_table(other))


def test_the_same_attempt_is_known_whosever_its_parameters_are() -> None:
    row = {"name": "etl", "finished_at_s": 1.7e9, "runtime_s": 5}
    mine = {"parameters_json": '{"rows": 1, "seed": 2}', "task_parameters_json": '{"seed": 3}'}
    (known,) = read_table([row | mine]).observations
    again = read_table([row | {"parameter.seed": 3, "parameter.rows": 1}]).observations
    other = read_table([row | {"parameter.seed": 2, "parameter.rows": 1}]).observations

    assert unseen(to_table([*again, *other]), to_table([known])).equals(to_table(other))


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        ("task_parameters_json", "[1]", "an object of plain values"),
        ("task_parameters_json", '{"a": {"b": 1}}', "an object of plain values"),
        ("inputs_json", "{", "not JSON"),
        ("inputs_json", '[{"size_bytes": 3}]', "inputs.0.uri"),
        ("meter", "guess", "allowed: cgroup"),
        ("allocation_memory_mib", "much", "allowed: a number"),
    ],
)
def test_a_lake_s_row_that_was_tampered_with_is_dropped_by_name(
    column: str, value: str, word: str
) -> None:
    row = {"name": "etl", "finished_at_s": 1.7e9, "runtime_s": 5.0, column: value}
    found = read_table([row])
    assert word in found.dropped[0][1]


def test_what_batch_remembers_becomes_attempts() -> None:
    job = {
        "jobName": "nightly",
        "jobDefinition": "arn:aws:batch:us-east-1:1:job-definition/etl:3",
        "jobQueue": "arn:aws:batch:us-east-1:1:job-queue/prod",
        "container": {"resourceRequirements": [{"type": "MEMORY", "value": "2048"}]},
        "attempts": [
            {
                "startedAt": 1_700_000_000_000,
                "stoppedAt": 1_700_000_060_000,
                "container": {"exitCode": 137, "reason": "OutOfMemoryError: killed"},
            },
            {
                "startedAt": 1_700_000_070_000,
                "stoppedAt": 1_700_000_130_000,
                "container": {"exitCode": 0},
            },
        ],
    }
    found = read_jobs([job, {"jobName": "never-ran"}])
    assert [item.cause for item in found.observations] == [Cause.OUT_OF_MEMORY, Cause.EXITED]
    assert [item.attempt for item in found.observations] == [1, 2]
    assert found.observations[0].job.definition == "etl:3"
    assert len(found.dropped) == 1


def test_a_job_of_an_ecs_task_is_read_by_its_container() -> None:
    asked = [{"type": "VCPU", "value": "2"}, {"type": "MEMORY", "value": "512"}]
    main = {"name": "main", "command": ["fit"], "resourceRequirements": asked}
    killed = {"name": "main", "exitCode": 137, "reason": "OutOfMemoryError: killed"}
    job = {
        "jobName": "fit",
        "jobId": "1",
        "ecsProperties": {"taskProperties": [{"containers": [main]}]},
        "attempts": [
            {
                "startedAt": 1_700_000_000_000,
                "stoppedAt": 1_700_000_005_000,
                "taskProperties": [{"containers": [killed]}],
            }
        ],
    }
    (found,) = read_jobs([job]).observations
    assert found.job.command == ("fit",)
    assert (found.cause, found.exit_code) == (Cause.OUT_OF_MEMORY, 137)
    assert found.allocation is not None
    assert found.allocation.memory_mib == 512


def test_a_job_with_as_many_tags_as_there_may_be_keeps_its_id_too() -> None:
    many = {f"tag-{at:02}": "" for at in range(50)}
    ran = {"startedAt": 1_700_000_000_000, "stoppedAt": 1_700_000_005_000}
    job = {"jobName": "fit", "jobId": "1", "tags": many, "attempts": [ran]}
    (found,) = read_jobs([job]).observations
    assert found.job.tags.keys() == many.keys() - {"tag-49"} | {"aws-batch-job-id"}
