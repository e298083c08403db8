"""What every lake promises: the folder on this machine, and S3 (served by moto)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.errors import InvalidInput, Unavailable
from headgate.job import Input, Job
from headgate.lifecycle import Cause
from headgate.resources import ResourceRequest, Resources
from headgate.usage import Meter, Observation, Usage
from predictor.history import SCHEMA, from_table, to_table
from queue_broker.adapters.lake import FolderLake, read_day, read_latest
from queue_broker.adapters.s3_lake import S3Lake, s3_files
from tests.factories import an_estimate
from tests.integration.aws.moto_server import Moto

DAY_S = 86_400.0
#: 2026-08-31, noon UTC.
NOON_S = 1_788_177_600.0


@pytest.fixture
def folder(tmp_path: Path) -> FolderLake:
    return FolderLake(tmp_path / "lake")


@pytest.fixture(params=["folder", "s3"])
def lake(request: pytest.FixtureRequest) -> FolderLake | S3Lake:
    made: FolderLake | S3Lake = request.getfixturevalue(
        "folder" if request.param == "folder" else "s3_lake"
    )
    return made


@pytest.fixture
def s3_lake(moto: Moto) -> S3Lake:
    files = s3_files("us-east-1", moto.url, access_key="key", secret_key="secret")
    return S3Lake(f"{moto.bucket()}/headgate/lake", files)


def an_observation(at_s: float = NOON_S, peak_memory_mib: float | None = 300.5) -> Observation:
    job = Job(
        name="align",
        command=("align", "--threads", "2", "Ref::sample"),
        tenant="genomics",
        inputs=(Input(uri="s3://b/sample.fq", size_bytes=12),),
        resources=ResourceRequest(memory_mib=4096, vcpu=2),
        timeout_s=600,
        tags={"step": "align"},
    )
    return Observation(
        job=job,
        usage=Usage(61.5, peak_memory_mib, 80.25, meter=Meter.CGROUP),
        cause=Cause.EXITED,
        exit_code=0,
        attempt=1,
        finished_at_s=at_s,
        allocation=Resources(2.0, 512),
        estimate=an_estimate(),
        parameters={"sample": "a", "rows": 10, "fast": True},
    )


def read_back(lake: FolderLake | S3Lake) -> list[Observation]:
    return from_table(pa.Table.from_pandas(lake.read(), preserve_index=False))


def test_an_empty_lake_reads_as_an_empty_table_with_all_columns(lake: FolderLake | S3Lake) -> None:
    rows = lake.read()

    assert len(rows) == 0
    assert list(rows.columns) == SCHEMA.names


def test_what_was_written_is_read_back(lake: FolderLake | S3Lake) -> None:
    written = an_observation()

    lake.write([written], "1")

    (read,) = read_back(lake)
    assert read == replace(written, job=read.job, estimate=read.estimate)
    kept = {"name", "command", "tenant", "inputs", "resources", "timeout_s", "tags"}
    assert read.job.model_dump(include=kept) == written.job.model_dump(include=kept)


def test_whole_numbers_stay_whole_beside_unknown_ones(lake: FolderLake | S3Lake) -> None:
    known, unknown = an_observation(NOON_S), replace(an_observation(NOON_S + 1), exit_code=None)

    lake.write([known, unknown], "1")

    assert [item.exit_code for item in read_back(lake)] == [0, None]
    assert type(read_back(lake)[0].exit_code) is int


def test_rows_come_oldest_first_across_parts_and_days(lake: FolderLake | S3Lake) -> None:
    lake.write([an_observation(NOON_S + DAY_S), an_observation(NOON_S)], "2")
    lake.write([an_observation(NOON_S + 5), an_observation(NOON_S - DAY_S)], "1")

    times = lake.read()["finished_at_s"].tolist()

    assert times == [NOON_S - DAY_S, NOON_S, NOON_S + 5, NOON_S + DAY_S]


def test_a_part_lies_in_the_days_of_its_rows(folder: FolderLake) -> None:
    folder.write([an_observation(NOON_S), an_observation(NOON_S + DAY_S)], "7")

    files = sorted(
        path.relative_to(folder.root).as_posix() for path in folder.root.rglob("*.parquet")
    )

    assert files == ["day=2026-08-31/7.parquet", "day=2026-09-01/7.parquet"]


def test_writing_a_part_again_replaces_it_in_every_day(lake: FolderLake | S3Lake) -> None:
    lake.write([an_observation(NOON_S), an_observation(NOON_S + DAY_S)], "7")
    lake.write([an_observation(NOON_S + 1)], "8")

    lake.write([an_observation(NOON_S + 2)], "7")

    assert lake.read()["finished_at_s"].tolist() == [NOON_S + 1, NOON_S + 2]


@pytest.mark.parametrize("part", ["", "../up", "a/b", ".hidden", "x" * 200])
def test_a_part_that_is_no_plain_name_is_refused(lake: FolderLake | S3Lake, part: str) -> None:
    with pytest.raises(InvalidInput, match="part: got"):
        lake.write([an_observation()], part)


def test_only_the_time_and_the_columns_asked_for_are_read(lake: FolderLake | S3Lake) -> None:
    lake.write([an_observation(NOON_S - 1), an_observation(NOON_S)], "1")

    rows = lake.read(since_s=NOON_S, columns=["name", "runtime_s"])

    assert rows.to_dict("records") == [{"name": "align", "runtime_s": 61.5}]


def test_rows_are_written_and_read_by_a_span_of_time_that_leaves_out_its_end(
    lake: FolderLake | S3Lake,
) -> None:
    ends = [NOON_S + DAY_S, NOON_S - DAY_S, NOON_S + 1, NOON_S]
    lake.write_rows(to_table([an_observation(at) for at in ends]), "1")

    for since, until in ((NOON_S - 1, NOON_S + 1), (NOON_S - 1, NOON_S + DAY_S), (None, NOON_S)):
        read = lake.read(since_s=since, until_s=until)["finished_at_s"].tolist()
        assert read == sorted(at for at in ends if (since or 0) <= at < until)


def test_days_before_the_time_asked_for_are_not_even_opened(folder: FolderLake) -> None:
    folder.write([an_observation(NOON_S)], "1")
    old = folder.root / "day=2026-08-30"
    old.mkdir()
    (old / "broken.parquet").write_bytes(b"not parquet")

    assert len(folder.read(since_s=NOON_S)) == 1
    assert len(folder.read(limit=1)) == 1


def test_of_a_day_with_more_than_is_asked_for_the_latest_alone_are_read_whole(
    folder: FolderLake,
) -> None:
    folder.write([an_observation(NOON_S + at) for at in range(50)], "1")
    asked: list[tuple[int, int]] = []  # rows and columns

    def day(since_s: float | None, columns: Sequence[str]) -> pa.Table:
        found = read_day(folder.root / "day=2026-08-31", since_s, columns)
        asked.append(found.shape)
        return found

    rows = read_latest(day, None, SCHEMA.names, 3)

    assert sorted(rows["finished_at_s"].to_pylist()) == [NOON_S + 47, NOON_S + 48, NOON_S + 49]
    assert asked == [(50, 1), (3, len(SCHEMA.names))]


def test_a_file_that_is_no_parquet_is_named(folder: FolderLake) -> None:
    folder.write([an_observation()], "1")
    (folder.root / "day=2026-08-31" / "broken.parquet").write_bytes(b"not parquet")

    with pytest.raises(Unavailable, match="day=2026-08-31"):
        folder.read()


def test_a_file_cut_short_by_a_crash_is_not_seen(folder: FolderLake) -> None:
    folder.write([an_observation()], "1")
    (folder.root / "day=2026-08-31" / ".2.parquet.x1").write_bytes(b"PAR1...")

    assert len(folder.read()) == 1


def test_a_file_of_an_older_program_lacks_columns_and_is_read_all_the_same(
    folder: FolderLake,
) -> None:
    folder.write([an_observation()], "1")
    path = folder.root / "day=2026-08-31" / "1.parquet"
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["estimate_family"]), path)

    rows = folder.read()

    assert list(rows.columns) == SCHEMA.names
    assert rows["estimate_family"].isna().all()


@settings(max_examples=15, deadline=None)
@given(
    hours=st.lists(st.integers(0, 100), max_size=8),
    since=st.integers(0, 100),
    limit=st.integers(0, 10),
)
def test_the_latest_rows_are_the_tail_of_all_rows(
    tmp_path_factory: pytest.TempPathFactory, hours: list[int], since: int, limit: int
) -> None:
    lake = FolderLake(tmp_path_factory.mktemp("lake"))
    for place, hour in enumerate(hours):
        lake.write([an_observation(NOON_S + hour * 3600)], str(place))

    rows = lake.read(since_s=NOON_S + since * 3600, limit=limit)["finished_at_s"].tolist()

    expected = sorted(NOON_S + hour * 3600 for hour in hours if hour >= since)
    assert rows == expected[max(0, len(expected) - limit) :]


def test_many_parts_of_a_settled_day_become_one_file(s3_lake: S3Lake) -> None:
    for place in range(10):
        s3_lake.write([an_observation(NOON_S + place)], f"{place}")
    before = s3_lake.read()

    assert s3_lake.compact(NOON_S + DAY_S) == 0
    assert s3_lake.compact(NOON_S + 4 * DAY_S) == 1

    assert len(s3_lake._paths("")) == 1
    assert s3_lake.read().equals(before)


def test_a_part_that_a_crash_left_beside_the_merged_file_is_not_read_twice(
    s3_lake: S3Lake,
) -> None:
    for place in range(10):
        s3_lake.write([an_observation(NOON_S + place)], f"{place}")
    s3_lake.compact(NOON_S + 4 * DAY_S)

    s3_lake.write([an_observation(NOON_S + 3)], "3")

    assert len(s3_lake.read()) == 10
