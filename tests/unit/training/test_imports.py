from __future__ import annotations

import pandas as pd
import pytest

from headgate.errors import InvalidInput
from headgate.job import Input, Job
from headgate.lifecycle import Cause
from headgate.resources import ResourceRequest, Resources
from headgate.usage import Meter, Observation, Usage
from predictor.history import from_table, to_table
from training.import_batch import from_describe_jobs
from training.import_nextflow import from_trace
from training.import_table import from_frame
from training.imports import Import, unseen

TRACE = pd.DataFrame(
    {
        "name": ["ALIGN (s1)", "ALIGN (s2)", "ALIGN (s3)", "ALIGN (s4)", "ALIGN (s5)"],
        "tag": ["s1", "s2", "s3", "s4", "s5"],
        "status": ["COMPLETED", "FAILED", "FAILED", "ABORTED", "COMPLETED"],
        "exit": ["0", "137", "1", "0", "0"],
        "realtime": ["2m 3s", "10s", "10s", "1h", "half a day"],
        "%cpu": ["150.0%", "99%", "99%", "99%", "99%"],
        "peak_rss": ["1.5 GB", "2 GB", "1 GB", "1 GB", "1 GB"],
        "memory": ["4 GB", "2 GB", "4 GB", "4 GB", "4 GB"],
        "complete": ["2024-06-25 11:32:39.716"] * 5,
    }
)


def test_a_trace_row_becomes_an_attempt_with_its_units_read() -> None:
    found = from_trace(TRACE).observations[0]
    assert found.usage.runtime_s == 123.0
    assert found.usage.peak_memory_mib == 1536.0
    assert found.usage.mean_vcpu == 1.5
    assert found.job.resources.memory_mib == 4096
    assert found.job.tags == {"nextflow.io/processName": "ALIGN", "sample": "s1"}


def test_a_kill_in_a_trace_is_a_bound() -> None:
    found = from_trace(TRACE).observations[1]
    assert found.cause is Cause.OUT_OF_MEMORY
    assert found.allocation is not None
    assert found.allocation.memory_mib == 2048


def test_what_is_dropped_says_which_row_and_why() -> None:
    dropped = dict(from_trace(TRACE).dropped)
    assert "exit code 1" in dropped[3]
    assert "ABORTED" in dropped[4]
    assert "half a day" in dropped[5]


def test_a_cached_task_is_told_as_it_ran_before() -> None:
    done, cached = from_trace(
        TRACE.iloc[[0, 0]].assign(status=["COMPLETED", "CACHED"])
    ).observations
    assert cached == done
    assert unseen([cached], [done]) == []


@pytest.mark.parametrize(
    ("name", "sample"), [("ALIGN (s1)", "s1"), ("ALIGN (s (1))", "s (1)"), ("ALIGN (1)", None)]
)
def test_without_a_column_of_tags_the_sample_is_read_from_the_name(
    name: str, sample: str | None
) -> None:
    (found,) = from_trace(TRACE[:1].drop(columns="tag").assign(name=name)).observations
    assert found.job.tags.get("sample") == sample
    assert found.job.name == "ALIGN"


def test_of_a_task_of_a_second_nobody_saw_the_memory() -> None:
    found = from_trace(TRACE.iloc[[0, 0]].assign(realtime=["1s", "1.1s"])).observations
    assert [item.usage.peak_memory_mib for item in found] == [None, 1536.0]


def test_numbers_that_a_table_program_wrote_anew_are_read() -> None:
    raw = {"realtime": "123000.0", "complete": "1719315159716.0", "peak_rss": "1610612736.0"}
    (found,) = from_trace(TRACE[:1].assign(**raw)).observations
    assert (found.usage.runtime_s, found.usage.peak_memory_mib) == (123.0, 1536.0)
    assert found.finished_at_s == from_trace(TRACE[:1]).observations[0].finished_at_s


def test_a_row_of_a_trace_without_a_name_is_dropped() -> None:
    assert "name" in from_trace(TRACE[:1].assign(name="-")).dropped[0][1]


def test_a_file_that_is_no_trace_names_the_missing_columns() -> None:
    with pytest.raises(InvalidInput, match="realtime"):
        from_trace(pd.DataFrame({"name": ["x"], "status": ["COMPLETED"]}))


def test_the_documented_table_takes_parameters_and_tags_as_columns() -> None:
    row = {"name": "etl", "finished_at_s": 1.7e9, "runtime_s": 5, "peak_memory_mib": 10.5}
    spread = {"parameter.rows": 3.0, "parameter.kind": "x", "tag.team": "a", "input_bytes": 99}
    found = from_frame(pd.DataFrame([row | spread]))
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
    found = from_frame(pd.DataFrame([good, good | {column: value}]))
    assert len(found.observations) == 1
    assert found.dropped[0][0] == 2
    assert word in found.dropped[0][1]


def test_an_import_that_is_run_twice_adds_nothing() -> None:
    found = from_trace(TRACE).observations
    assert unseen(found, []) == found
    assert unseen(found, from_trace(TRACE).observations) == []


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

    found = from_frame(to_table([item]).to_pandas())

    assert found == Import([item])


def test_the_same_attempt_is_known_whatever_the_order_of_its_tags() -> None:
    row = {"name": "etl", "finished_at_s": 1.7e9, "runtime_s": 5, "tag.z": "1", "tag.a": "2"}
    (item,) = from_frame(pd.DataFrame([row])).observations
    (again,) = from_table(to_table([item]))
    other = from_frame(pd.DataFrame([row | {"parameter.rows": 3}])).observations

    assert unseen([item], [again]) == []
    assert unseen(other, [again]) == other


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
    found = from_frame(pd.DataFrame([row]))
    assert word in found.dropped[0][1]


@pytest.mark.parametrize(
    ("column", "value"),
    [("attempt", "first"), ("%cpu", "much"), ("cpus", "two"), ("peak_rss", "1.2.3 GB")],
)
def test_a_cell_of_a_trace_that_is_no_number_drops_its_row_alone(column: str, value: str) -> None:
    found = from_trace(TRACE[:2].assign(**{column: [value, "1"]}))
    assert found.dropped[0][0] == 1
    assert column in found.dropped[0][1]
    assert len(found.observations) == 1


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
    found = from_describe_jobs([job, {"jobName": "never-ran"}])
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
    (found,) = from_describe_jobs([job]).observations
    assert found.job.command == ("fit",)
    assert (found.cause, found.exit_code) == (Cause.OUT_OF_MEMORY, 137)
    assert found.allocation is not None
    assert found.allocation.memory_mib == 512


def test_a_job_with_as_many_tags_as_there_may_be_keeps_its_id_too() -> None:
    many = {f"tag-{at:02}": "" for at in range(50)}
    ran = {"startedAt": 1_700_000_000_000, "stoppedAt": 1_700_000_005_000}
    job = {"jobName": "fit", "jobId": "1", "tags": many, "attempts": [ran]}
    (found,) = from_describe_jobs([job]).observations
    assert found.job.tags.keys() == many.keys() - {"tag-49"} | {"aws-batch-job-id"}
