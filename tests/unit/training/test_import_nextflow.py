"""Nextflow's trace files, as users have them."""

from __future__ import annotations

import pandas as pd
import pytest

from headgate.lifecycle import Cause
from headgate.usage import Observation
from predictor.history import to_table
from training import import_nextflow
from training.import_nextflow import is_trace, written
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


def from_trace(frame: pd.DataFrame, written_s: float | None = None) -> Import:
    ends_s = () if written_s is None else written(written_s, len(frame))
    rows = [{str(name): cell for name, cell in row.items()} for row in frame.to_dict("records")]
    (found,) = import_nextflow.from_trace(frame.columns, rows, ends_s=ends_s)
    return found


def new_of(items: list[Observation], known: list[Observation]) -> int:
    return len(unseen(to_table(items), to_table(known)))


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
    assert new_of([cached], [done]) == 0


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


def test_an_import_that_is_run_twice_adds_nothing() -> None:
    found = from_trace(TRACE).observations
    assert new_of(found, []) == len(found)
    assert new_of(found, from_trace(TRACE).observations) == 0


@pytest.mark.parametrize(
    ("column", "value"),
    [("attempt", "first"), ("%cpu", "much"), ("cpus", "two"), ("peak_rss", "1.2.3 GB")],
)
def test_a_cell_of_a_trace_that_is_no_number_drops_its_row_alone(column: str, value: str) -> None:
    found = from_trace(TRACE[:2].assign(**{column: [value, "1"]}))
    assert found.dropped[0][0] == 1
    assert column in found.dropped[0][1]
    assert len(found.observations) == 1


#: Columns that users choose: InterProScan's, Nextflow's own example, and a pipeline's.
CHOSEN = [
    ["task_id", "process", "realtime", "duration", "status", "submit", "start", "complete"],
    ["task_id", "name", "status", "exit", "realtime", "%cpu", "rss"],
    ["task_id", "hash", "process", "tag", "status", "exit", "submit", "realtime", "%cpu", "rss"],
]
ROW = {
    "task_id": "1",
    "hash": "ab/123456",
    "name": "ALIGN (s1)",
    "process": "ALIGN",
    "tag": "s1",
    "status": "COMPLETED",
    "exit": "0",
    "submit": "2024-06-25 11:30:00.000",
    "start": "2024-06-25 11:30:36.716",
    "complete": "2024-06-25 11:32:39.716",
    "duration": "2m 39.716s",
    "realtime": "2m 3s",
    "%cpu": "150.0%",
    "rss": "1.5 GB",
}
COMPLETE_S = 1719315159.716


@pytest.mark.parametrize("columns", CHOSEN)
def test_whatever_columns_a_user_chose_a_trace_is_known_and_read(columns: list[str]) -> None:
    assert is_trace(columns)
    (found,) = from_trace(pd.DataFrame([ROW])[columns], written_s=1.72e9).observations
    assert (found.job.name, found.usage.runtime_s) == ("ALIGN", 123.0)


@pytest.mark.parametrize("told", [["complete"], ["submit", "duration"], ["start"]])
def test_when_a_task_ended_is_read_from_whatever_times_there_are(told: list[str]) -> None:
    row = pd.DataFrame([ROW])[["name", "status", "realtime", *told]]
    (found,) = from_trace(row, written_s=1.72e9).observations
    assert found.finished_at_s == pytest.approx(COMPLETE_S)


def test_tasks_without_any_time_ended_in_their_order_when_the_trace_was_written() -> None:
    frame = pd.DataFrame([ROW] * 3)[["name", "status", "realtime", "rss"]]
    found = from_trace(frame, written_s=1.72e9).observations
    ends = [item.finished_at_s for item in found]
    assert ends == sorted(set(ends))
    assert (ends[-1], len(ends)) == (1.72e9, 3)
    assert new_of(from_trace(frame, written_s=1.72e9).observations, found) == 0


def test_without_any_time_a_row_is_dropped_and_says_so() -> None:
    frame = pd.DataFrame([ROW])[["name", "status", "realtime", "rss"]]
    assert "when did it end" in from_trace(frame).dropped[0][1]


def test_an_old_trace_with_decimal_commas_is_read() -> None:
    cells = {"rss": "1,5 GB", "%cpu": "150,0%", "realtime": "2,5s"}
    (found,) = from_trace(pd.DataFrame([ROW | cells])).observations
    assert (found.usage.peak_memory_mib, found.usage.mean_vcpu) == (1536.0, 1.5)
    assert found.usage.runtime_s == 2.5
