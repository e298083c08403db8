from __future__ import annotations

import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headgate.errors import InvalidInput, Unavailable
from headgate.job import Job
from queue_broker.core import csv_rows, json_rows, tables
from queue_broker.core.parameters import row
from queue_broker.core.tables import Format, batches, checked, chunks, decode, keep_table
from queue_broker.records import Accepted, Chunk, JobId, Submission
from tests.factories import a_submission

JOB = Job(name="train", command=("true",))


def rows_of(content: bytes, kind: Format, job: Job = JOB) -> list[dict[str, Any]]:
    """Through chunks and back."""
    found = chunks(checked(batches(io.BytesIO(content), kind), job))
    kept = [decode(chunk.data) for chunk in found]
    return [row(table, at) for table in kept for at in range(table.num_rows)]


def ndjson(*rows: object) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def parquet(frame: pd.DataFrame | pa.Table) -> bytes:
    file = io.BytesIO()
    table = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame)
    pq.write_table(table, file)
    return file.getvalue()


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "BLOCK_BYTES", 64)
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 64)


ROWS = [
    {"lr": 0.1, "depth": 3, "kind": "a", "on": True},
    {"lr": 0.25, "depth": -4, "kind": "ü\n", "on": False},
]


def test_lines_of_json_come_back_as_they_were_sent() -> None:
    assert rows_of(ndjson(*ROWS), Format.NDJSON) == ROWS


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("ending", [b"", b"\n", b"\n\n", b"\r\n"])
def test_blocks_and_line_ends_do_not_show(ending: bytes) -> None:
    rows = [{"index": at, "text": "x" * (at % 50)} for at in range(500)]

    assert rows_of(ndjson(*rows) + ending, Format.NDJSON) == rows


def test_a_column_of_mixed_kinds_keeps_each_value_as_it_was() -> None:
    rows = [{"v": 1}, {"v": 0.5}, {"v": "sqrt"}, {"v": None}, {"v": True}, {"v": 2**70}]

    assert rows_of(ndjson(*rows), Format.NDJSON) == rows
    assert [type(r["v"]) for r in rows_of(ndjson(*rows), Format.NDJSON)] == [
        int, float, str, type(None), bool, int,
    ]  # fmt: skip


def test_text_that_looks_like_a_date_stays_text() -> None:
    rows = [{"day": "2026-01-01"}, {"day": "2026-01-02"}]

    assert rows_of(ndjson(*rows), Format.NDJSON) == rows


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)


@given(st.lists(st.fixed_dictionaries({"a": SCALARS, "b": SCALARS}), min_size=1, max_size=30))
@example([{"a": 0.5, "b": 0.0}, {"a": 2**60 + 1, "b": 0}])
@settings(max_examples=60, deadline=None)
def test_any_scalars_survive(rows: list[dict[str, Any]]) -> None:
    read = rows_of(ndjson(*rows), Format.NDJSON)

    assert read == rows
    # 1 and 1.0 and True are equal, and are not the same to a command.
    for one, sent in zip(read, rows, strict=True):
        assert all(type(one[name]) is type(sent[name]) for name in sent)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a": 1}\n{"a": 1', "table.1: got '{\"a\": 1'; allowed: a JSON object"),
        (b'{"a": 1}\n[1]', "table.1: got '\\[1\\]'; allowed: a JSON object"),
        (b'{"a": 1}\n{}', "table.1.a: got 'nothing'; allowed: the first row's columns: a"),
        (b'{"a": 1}\n{"a": 1, "b": 2}', "table.1.b: got 'an unknown column'"),
        (b'{"a": 1}\n{"a": NaN}', "table.1: got 'NaN'; allowed: finite numbers"),
        (b'{"a": 1.5}\n{"a": NaN}', "table.1: got 'NaN'; allowed: finite numbers"),
        (b'{"a": 1}\n{"a": -Infinity}', "table.1: got '-Infinity'"),
        (b'{"a": 1.5}\n{"a": 1e999}', "table.1.a: got inf; allowed: a finite number"),
        (b'{"a": 1}\n{"a": [1]}', "table.1.a: got \\[1\\]; allowed: a number, text"),
        (b'{"a": {"b": 1}}', "table.0.a: got {'b': 1}; allowed: a number, text"),
        (b'{"a": "\xff"}', "table.0: got .*; allowed: a JSON object"),
        (b'{"a": "b"}\n{"a": "\\ud800"}', "table.1: got .*; allowed: a JSON object .*surrogates"),
        (b'{"a": 1, "\\ud800": 1}', "table.0: got .*; allowed: a JSON object .*surrogates"),
        (b'{"a": ' + b"[" * 10**5 + b"]" * 10**5 + b"}", "table.0: got .*recursion"),
        (b"{}", "table: got '0 columns'; allowed: 1 to 1000 columns"),
        (b'{"": 1}', "table.columns: got ''; allowed: names"),
    ],
)
def test_a_wrong_line_of_json_is_named(content: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        rows_of(content, Format.NDJSON)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("kind", [Format.NDJSON, Format.CSV])
def test_a_wrong_row_is_named_however_late_it_comes(kind: Format) -> None:
    good = [
        b'{"a": %d, "b": 1}' % at if kind is Format.NDJSON else b"%d,1" % at for at in range(777)
    ]
    head = [] if kind is Format.NDJSON else [b"a,b"]

    with pytest.raises(InvalidInput, match=r"table\.777"):
        rows_of(b"\n".join([*head, *good, b"1"]), kind)


def test_a_line_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "MAX_ROW_BYTES", 1000)

    with pytest.raises(InvalidInput, match="allowed: rows of at most 1,000 bytes"):
        rows_of(b'{"a": "' + b"x" * 10_000, Format.NDJSON)


def test_cells_that_are_all_numbers_become_numbers() -> None:
    content = b'n,x,id,word,quoted\n1,0.5,007,a,"1,5"\n-2,1e-3,008,1,"a\nb"\n'

    assert rows_of(content, Format.CSV) == [
        {"n": 1, "x": 0.5, "id": "007", "word": "a", "quoted": "1,5"},
        {"n": -2, "x": 0.001, "id": "008", "word": "1", "quoted": "a\nb"},
    ]


@pytest.mark.parametrize("cells", [["123456789012345678901"], ["1234567890123456", "0.5"]])
def test_an_identifier_too_long_for_a_number_stays_text(cells: list[str]) -> None:
    content = "\n".join(["n", *cells]).encode()

    assert [one["n"] for one in rows_of(content, Format.CSV)] == cells


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2\n3\n", "table.1: got '1: 3'; allowed: 2 cells, as the header has"),
        (b"a,b\n1,2\n3,4,5\n", "table.1: got '3: 3,4,5'; allowed: 2 cells"),
        (b"a,b\n1,2\n3,\n", "table.1.b: got ''; allowed: a value in every cell"),
        (b"a,b\n1,NaN\n", "table.0.b: got 'NaN'; allowed: a value in every cell"),
        (b"a,a\n1,2\n", "table.columns: got 'a'; allowed: names, each of them once"),
        (b"", "table: got 'bytes'; allowed: CSV with a header line"),
        (b"a\n\xff\n", "table: got 'bytes'; allowed: CSV"),
    ],
)
def test_a_wrong_line_of_csv_is_named(content: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        rows_of(content, Format.CSV)


@pytest.mark.parametrize("content", [b"M\xfcller\n1\n", b"a\nM\xfcller\n"])
def test_what_is_not_in_utf_8_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^table[\w.]*: got b?'.*'; allowed: "):
        rows_of(content, Format.CSV)


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    assert rows_of(b"\xef\xbb\xbfa\n1\n", Format.CSV) == [{"a": 1}]


def test_parquet_comes_back_as_it_was_sent() -> None:
    frame = pd.DataFrame(
        {
            "n": np.array([1, 2], np.uint8),
            "x": np.array([0.5, 1.5], np.float32),
            "word": pd.Categorical(["a", "b"]),
            "on": [True, False],
            "maybe": pd.array([1, None], dtype="Int64"),
        }
    )

    assert rows_of(parquet(frame), Format.PARQUET) == [
        {"n": 1, "x": 0.5, "word": "a", "on": True, "maybe": 1},
        {"n": 2, "x": 1.5, "word": "b", "on": False, "maybe": None},
    ]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pa.array([0.5, float("nan")]), "table.1.c: got nan; allowed: a finite number"),
        (pa.array([0.5, None]), "table.1.c: got None; allowed: a finite number"),
        (pa.array([float("inf"), 1.0]), "table.0.c: got inf; allowed: a finite number"),
        (pa.array([[1], [2]]), "table.columns.c: got 'list<.*'; allowed: numbers, text"),
        (pa.array([1, 2], pa.timestamp("s")), "table.columns.c: got 'timestamp"),
    ],
)
def test_a_wrong_column_of_parquet_is_named(column: pa.Array, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        rows_of(parquet(pa.table({"c": column})), Format.PARQUET)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all"])
def test_what_is_no_parquet_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput, match="table: got 'bytes'; allowed: a Parquet file"):
        rows_of(content, Format.PARQUET)


def test_a_template_that_names_an_unknown_parameter_is_refused() -> None:
    job = Job(name="train", command=("x", "Ref::a", "Ref::b"), parameters={"c": 1})

    with pytest.raises(InvalidInput, match=r"job\.command: got 'Ref::b'; allowed: .*: a, c"):
        rows_of(ndjson({"a": 1}), Format.NDJSON, job)


def test_chunks_are_numbered_by_their_first_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "CHUNK_ROWS", 30)
    content = ndjson(*({"a": at} for at in range(100)))

    found = list(chunks(batches(io.BytesIO(content), Format.NDJSON)))

    assert [(chunk.first, chunk.rows) for chunk in found] == [(0, 25), (25, 25), (50, 25), (75, 25)]


def test_wide_rows_make_smaller_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "CHUNK_BYTES", 10_000)
    content = ndjson(*({"a": "x" * 1000} for _ in range(100)))

    assert len(list(chunks(batches(io.BytesIO(content), Format.NDJSON)))) >= 10


def test_no_more_rows_than_a_sweep_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_SWEEP_SIZE", 2)

    with pytest.raises(InvalidInput, match="table: got 'more rows'; allowed: at most 2 rows"):
        rows_of(ndjson(*ROWS, *ROWS), Format.NDJSON)


class Intake:
    """Keeps chunks, and can be told to fail at one."""

    def __init__(self, fails_at: int | None = None, known: bool = False) -> None:
        self.kept: list[Chunk] = []
        self.sealed: int | None = None
        self.dropped = False
        self.fails_at = fails_at
        self.known = known

    def begin_table(self, submission: Submission) -> Accepted:
        return Accepted(submission.job_id, self.known)

    def add_chunk(self, job_id: JobId, chunk: Chunk) -> None:
        if len(self.kept) == self.fails_at:
            raise Unavailable("the database is away")
        self.kept.append(chunk)

    def seal_table(self, job_id: JobId, size: int) -> None:
        self.sealed = size

    def drop_table(self, job_id: JobId) -> None:
        self.dropped = True


def keep(intake: Intake, content: bytes) -> Accepted:
    file = io.BytesIO(content)
    return keep_table(intake, a_submission("s"), file, Format.NDJSON)  # type: ignore[arg-type]


def test_a_whole_table_is_sealed_with_its_size() -> None:
    intake = Intake()

    keep(intake, ndjson(*ROWS))

    assert (intake.sealed, intake.dropped) == (2, False)


@pytest.mark.parametrize("content", [ndjson(*ROWS, {"x": 1}), b""])
def test_a_wrong_table_leaves_nothing(content: bytes) -> None:
    intake = Intake()

    with pytest.raises(InvalidInput):
        keep(intake, content)

    assert (intake.sealed, intake.dropped) == (None, True)


def test_a_store_that_goes_away_in_the_middle_leaves_nothing() -> None:
    intake = Intake(fails_at=0)

    with pytest.raises(Unavailable):
        keep(intake, ndjson(*ROWS))

    assert (intake.sealed, intake.dropped) == (None, True)


def test_a_table_that_is_known_is_not_read() -> None:
    intake = Intake(known=True)

    assert keep(intake, b"not even json").known
    assert not intake.kept


@pytest.mark.parametrize("kind", list(Format))
def test_a_long_table_is_never_held_whole(
    kind: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (json_rows, csv_rows):
        monkeypatch.setattr(module, "BLOCK_BYTES", 16 << 10)
    monkeypatch.setattr(tables, "CHUNK_ROWS", 2000)
    path = tmp_path / "table"
    whole = write_long_table(path, kind)
    before = pa.total_allocated_bytes()
    most = 0

    tracemalloc.start()
    with path.open("rb") as file:
        for _ in chunks(checked(batches(file, kind), JOB)):
            most = max(most, pa.total_allocated_bytes() - before)
    python = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert most < whole / 4
    assert python < whole / 4


def write_long_table(path: Path, kind: Format) -> int:
    """60,000 rows of text; returns how many bytes they take in memory."""
    frame = pd.DataFrame({"text": [f"{at:05} " + "x" * 100 for at in range(60_000)]})
    if kind is Format.PARQUET:
        frame.to_parquet(path, index=False, row_group_size=5000)
    elif kind is Format.CSV:
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    return int(pa.Table.from_pandas(frame).nbytes)
