"""`headgate history import`: files and what AWS Batch remembers, into the broker's own lake."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import NoReturn

import boto3
import httpx
import pandas as pd
import pyarrow as pa
import pytest
from botocore.exceptions import NoRegionError
from pyarrow import csv
from typer.testing import CliRunner

from headgate.errors import InvalidInput, Unavailable
from headgate.job import Input
from headgate.lifecycle import Cause
from headgate.usage import Observation
from predictor.history import from_frame
from queue_broker.adapters.lake import FolderLake
from queue_broker.cli import staged
from queue_broker.cli.main import app
from queue_broker.cli.staged import Staged
from tests.unit.predictor.examples import sweep_history
from tests.unit.queue_broker.wire.batch import Batch
from training import imports

Import = Callable[..., str]

TABLE = """name,finished_at_s,runtime_s,peak_memory_mib,tag.team,tag.area,parameter.rows
etl-1,1700000000,12.5,300,blue,north,10
etl-2,1700000100,forever,300,blue,north,20
etl-3,1700000200,9,8e12,blue,north,30
etl-4,1700000300,0,300,blue,north,40
etl-1,1700000000,12.5,300,blue,north,11
"""
TRACE = """task_id\tname\tstatus\texit\trealtime\t%cpu\tpeak_rss\tmemory\tcomplete
1\tALIGN (a)\tCOMPLETED\t0\t2m 3s\t150.0%\t1.5 GB\t4 GB\t2024-06-25 11:32:39.716
2\tALIGN (b)\tFAILED\t137\t10s\t99%\t2 GB\t2 GB\t2024-06-25 11:33:39.716
3\tALIGN (c)\tABORTED\t-\t-\t-\t-\t4 GB\t2024-06-25 11:34:39.716
"""


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    return FolderLake(tmp_path / "data" / "lake")


@pytest.fixture
def bring_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Import:
    """The output of an import that succeeds."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("HEADGATE_DATA_DIR", str(tmp_path / "data"))

    def run(*words: str) -> str:
        result = CliRunner().invoke(app, ["history", "import", *words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return str(result.stdout)

    return run


def a_file(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def kept(lake: FolderLake) -> list[Observation]:
    return from_frame(lake.read())


def test_a_csv_is_read_and_what_is_dropped_is_told_by_reason_and_row(
    bring_in: Import, lake: FolderLake, tmp_path: Path
) -> None:
    told = " ".join(bring_in(a_file(tmp_path, "jobs.csv", TABLE)).split())

    assert "5 rows: 2 read, 2 new, 0 known before" in told
    assert "1 2 runtime_s: got 'forever'; allowed: a number" in told
    assert "1 3 peak_memory_mib: not between 0 and" in told
    assert "1 4 runtime_s: not between 0 and" in told
    assert [item.job.parameters["rows"] for item in kept(lake)] == ["10", "11"]


@pytest.mark.parametrize("more", [",surplus", ",two,more"])
def test_a_row_of_a_csv_with_cells_to_spare_is_dropped_alone(
    bring_in: Import, lake: FolderLake, tmp_path: Path, more: str
) -> None:
    heading, first, *_ = TABLE.splitlines()
    told = " ".join(
        bring_in(a_file(tmp_path, "a.csv", f"{heading}\n{first}{more}\n{first}")).split()
    )

    assert "2 rows: 1 read, 1 new" in told
    assert "1 1 more cells than columns" in told
    assert [item.job.parameters["rows"] for item in kept(lake)] == ["10"]


def test_what_was_imported_before_is_not_imported_again(
    bring_in: Import, lake: FolderLake, tmp_path: Path
) -> None:
    file = a_file(tmp_path, "jobs.csv", TABLE)
    bring_in(file)

    assert "5 rows: 2 read, 0 new, 2 known before" in bring_in(file)
    assert len(kept(lake)) == 2


def table_of(rows: int) -> str:
    heading = "name,finished_at_s,runtime_s,peak_memory_mib"
    each = [f"etl,{1_700_000_000 + 7 * at % 50},{60 + at},300" for at in range(rows)]
    return "\n".join([heading, *each])


def test_a_long_history_is_read_compared_and_written_some_rows_at_a_time(
    bring_in: Import, lake: FolderLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = a_file(tmp_path, "jobs.csv", table_of(70))
    written, write_rows = list[int](), FolderLake.write_rows
    read, put = list[int](), Staged.put

    def counted(lake: FolderLake, rows: pa.Table, part: str) -> None:
        written.append(len(rows))
        write_rows(lake, rows, part)

    def noted(staged: Staged, observations: Sequence[Observation]) -> None:
        read.append(len(observations))
        put(staged, observations)

    monkeypatch.setattr(FolderLake, "write_rows", counted)
    monkeypatch.setattr(Staged, "put", noted)
    monkeypatch.setattr(imports, "AT_ONCE", 30)
    monkeypatch.setattr(staged, "AT_ONCE", 20)

    assert "70 rows: 70 read, 70 new, 0 known before" in bring_in(file)
    assert read == [30, 30, 10]
    assert (max(written) < 25, sum(written)) == (True, 70)
    assert len(kept(lake)) == 70
    assert "70 rows: 70 read, 0 new, 70 known before" in bring_in(file)


def test_an_import_that_was_cut_short_is_finished_by_the_next_one(
    bring_in: Import, lake: FolderLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = a_file(tmp_path, "jobs.csv", table_of(70))
    monkeypatch.setattr(staged, "AT_ONCE", 20)
    with monkeypatch.context() as broken:
        writes, write_rows = count(), FolderLake.write_rows

        def full(lake: FolderLake, rows: pa.Table, part: str) -> None:
            if next(writes) == 2:
                raise OSError("no space left")
            write_rows(lake, rows, part)

        broken.setattr(FolderLake, "write_rows", full)
        with pytest.raises(OSError, match="no space"):
            bring_in(file)
    before = len(kept(lake))

    assert f"{70 - before} new, {before} known before" in bring_in(file)
    assert 0 < before < 70 == len(kept(lake))


@pytest.mark.parametrize("name", ["jobs.csv", "jobs.parquet"])
def test_a_terminal_is_shown_how_far_an_import_is(
    lake: FolderLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    file = tmp_path / name
    file.write_text(table_of(70))
    if file.suffix == ".parquet":
        csv.read_csv(file).to_pandas().to_parquet(file)
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes the pipe for a terminal
    words = ["history", "import", str(file), "--data-dir", str(lake.root.parent)]

    told = CliRunner().invoke(app, words, catch_exceptions=False).stderr

    assert "70/70" in told
    assert "read" in told
    assert "written" in told


def test_a_file_that_breaks_off_brings_in_nothing(
    bring_in: Import, lake: FolderLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "AT_ONCE", 1)
    file = tmp_path / "jobs.csv.gz"
    file.write_bytes(gzip.compress(table_of(5000).encode())[:-20])

    with pytest.raises(InvalidInput, match="a readable CSV or Parquet file"):
        bring_in(str(file))
    assert kept(lake) == []


def test_a_dry_run_writes_nothing(bring_in: Import, lake: FolderLake, tmp_path: Path) -> None:
    told = bring_in(a_file(tmp_path, "jobs.csv", TABLE), "--dry-run")

    assert "2 read, nothing was written" in told
    assert kept(lake) == []


def test_a_trace_is_known_by_its_columns_and_read_in_the_zone_that_is_named(
    bring_in: Import, lake: FolderLake, tmp_path: Path
) -> None:
    told = bring_in(a_file(tmp_path, "trace.txt", TRACE), "--zone", "Europe/Berlin")

    assert "3 rows: 2 read, 2 new" in told
    assert "ABORTED" in told
    done, killed = kept(lake)
    assert done.finished_at_s == pytest.approx(1_719_307_959.716)
    assert (killed.cause, killed.usage.peak_memory_mib) == (Cause.OUT_OF_MEMORY, 2048)


@pytest.mark.parametrize("separator", ["\t", ";", ","])
def test_a_trace_is_read_whatever_separates_its_cells(
    bring_in: Import, lake: FolderLake, tmp_path: Path, separator: str
) -> None:
    bring_in(a_file(tmp_path, "trace.csv", TRACE.replace("\t", separator)))

    assert [item.job.tags["sample"] for item in kept(lake)] == ["a", "b"]


def test_a_row_of_a_trace_with_the_separator_in_a_cell_is_dropped_alone(
    bring_in: Import, lake: FolderLake, tmp_path: Path
) -> None:
    text = TRACE.replace("(a)", "(a;b)").replace("(b)", '("b)').replace("\t", ";")
    told = bring_in(a_file(tmp_path, "trace.txt", text))

    assert "3 rows: 1 read" in told
    assert "more cells than columns" in told
    assert [item.job.tags["sample"] for item in kept(lake)] == ['"b']


def test_a_trace_without_times_ended_when_its_file_was_last_written(
    bring_in: Import, lake: FolderLake, tmp_path: Path
) -> None:
    cells = "process\tstatus\trealtime\trss\n" + "ALIGN\tCOMPLETED\t5s\t1.5 GB\n" * 2
    file = a_file(tmp_path, "trace.txt", cells)
    os.utime(file, (1.72e9, 1.72e9))

    assert "2 rows: 2 read, 2 new" in bring_in(file)
    assert "2 rows: 2 read, 0 new, 2 known before" in bring_in(file)
    assert max(item.finished_at_s for item in kept(lake)) == 1.72e9


def test_a_packed_trace_of_another_system_is_read(
    bring_in: Import, lake: FolderLake, tmp_path: Path
) -> None:
    file = tmp_path / "trace.txt.gz"
    file.write_bytes(gzip.compress(TRACE.replace("\n", "\r\n").encode("utf-8-sig")))

    assert "3 rows: 2 read" in bring_in(str(file))
    assert len(kept(lake)) == 2


@pytest.mark.parametrize("whole_folder", [False, True], ids=["a file", "the folder"])
def test_another_broker_s_lake_is_taken_over_with_inputs_and_task_parameters(
    bring_in: Import, lake: FolderLake, tmp_path: Path, whole_folder: bool
) -> None:
    theirs = FolderLake(tmp_path / "theirs")
    theirs.write(shifted(sweep_history(6)), "part")
    (file,) = theirs.root.glob("*/part.parquet")

    told = bring_in(str(theirs.root if whole_folder else file))

    assert "6 rows: 6 read, 6 new" in told
    assert bring_in(str(file)).startswith("6 rows: 6 read, 0 new, 6 known before")
    columns = [name for name in theirs.read().columns if not name.startswith("estimate_")]
    pd.testing.assert_frame_equal(lake.read(columns=columns), theirs.read(columns=columns))


def shifted(items: list[Observation]) -> list[Observation]:
    """In this century, with all that a lake can keep of a job."""
    asked = {"inputs": (Input(uri="s3://b/a", size_bytes=9),), "tags": {"z": "1", "a": "2"}}
    more = {"priority": 3, "timeout_s": 600, "parameters": {"depth": 4, "fast": True}}
    return [
        replace(
            item,
            job=item.job.model_copy(update=asked | more),
            finished_at_s=1_700_000_000.25 + place,
        )
        for place, item in enumerate(items)
    ]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("jobs.csv", "name,runtime_s\nx,1\n", "finished_at_s: got a table with name, runtime_s"),
        ("jobs.csv", "", "a readable CSV or Parquet file"),
        ("jobs.parquet", "no parquet", "a readable CSV or Parquet file"),
        ("trace.txt", "name\tstatus\trealtime\n", None),
        ("trace.txt", "hash\tname\tstatus\n", "realtime: got a Nextflow trace with"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_refused_in_words(
    bring_in: Import, tmp_path: Path, name: str, text: str, words: str | None
) -> None:
    file = a_file(tmp_path, name, text)
    if words is None:
        assert "0 rows: 0 read" in bring_in(file)
        return
    with pytest.raises(InvalidInput, match=words.replace("(", r"\(")):
        bring_in(file)


def test_a_zone_that_does_not_exist_is_refused(bring_in: Import, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="zone: got 'Mars/Base'"):
        bring_in(a_file(tmp_path, "trace.txt", TRACE), "--zone", "Mars/Base")


@pytest.mark.parametrize("words", [[], ["--from-batch", "q", "FILE"]])
def test_a_file_or_a_queue_is_named_and_not_both(
    bring_in: Import, tmp_path: Path, words: list[str]
) -> None:
    file = a_file(tmp_path, "jobs.csv", TABLE)
    with pytest.raises(InvalidInput, match="FILE"):
        bring_in(*(file if word == "FILE" else word for word in words))


@pytest.fixture
def batch(database_url: str, tmp_path: Path) -> Iterator[Batch]:
    batch = Batch(database_url, tmp_path / "batch")
    batch.define()
    yield batch
    batch.close()


def test_what_batch_remembers_of_a_queue_is_read_through_boto3(
    bring_in: Import, lake: FolderLake, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch.submit(jobName="nightly", parameters={"day": "3"})
    batch.submit(jobName="grid", arrayProperties={"size": 3})
    batch.submit(jobName="elsewhere", jobQueue="production")
    batch.turn()
    monkeypatch.setattr(boto3, "client", lambda service: batch.client)

    told = bring_in("--from-batch", "default")

    assert "4 rows: 4 read, 4 new" in told
    assert f"asking {batch.client.meta.endpoint_url} for the jobs of default" in told
    assert sorted(item.job.name for item in kept(lake)) == ["grid", "grid", "grid", "nightly"]
    assert all(item.allocation is not None for item in kept(lake))
    assert "4 rows: 4 read, 0 new, 4 known before" in bring_in("--from-batch", "default")
    with pytest.raises(Unavailable, match="nowhere"):
        bring_in("--from-batch", "nowhere")


def test_a_broker_in_the_place_of_aws_is_refused_with_the_way_out(
    bring_in: Import, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boto3, "client", lambda service: batch.client)
    monkeypatch.setattr(
        httpx, "get", lambda url, timeout: batch.loop.run_until_complete(batch.http.get(url))
    )

    with pytest.raises(InvalidInput, match="unset AWS_ENDPOINT_URL_BATCH"):
        bring_in("--from-batch", "default")


def test_without_a_region_the_words_say_so(
    bring_in: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    def client(service: str) -> NoReturn:
        raise NoRegionError

    monkeypatch.setattr(boto3, "client", client)

    with pytest.raises(Unavailable, match="You must specify a region"):
        bring_in("--from-batch", "default")
