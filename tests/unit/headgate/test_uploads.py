from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from headgate.errors import InvalidInput
from headgate.uploads import CSV, NDJSON, PARQUET, upload

TEMPLATE = b'{"name":"train"}'
ROWS = [{"lr": 0.1, "depth": 3}, {"lr": 0.2, "depth": 4}]


def sent(table: Any) -> tuple[bytes, bytes]:
    """The template's line, and the table behind it."""
    line, _, rest = b"".join(upload(TEMPLATE, table).body()).partition(b"\n")
    return line, rest


def test_rows_are_sent_as_lines_of_json_behind_the_template() -> None:
    line, rest = sent(ROWS)

    assert line == TEMPLATE
    assert [json.loads(row) for row in rest.splitlines()] == ROWS


def test_rows_that_can_be_read_again_can_be_sent_again() -> None:
    again = upload(TEMPLATE, ROWS)

    assert again.repeatable
    assert list(again.body()) == list(again.body())


def test_an_iterator_is_sent_once_and_never_held_whole() -> None:
    taken = []

    def rows() -> Any:
        for index in range(100_000):
            taken.append(index)
            yield {"index": index}

    once = upload(TEMPLATE, rows())
    body = once.body()
    next(body), next(body)

    assert not once.repeatable
    assert len(taken) < 10_000


def test_numpy_values_are_sent_as_plain_ones() -> None:
    row = {"lr": np.float64(0.5), "n": np.int32(7), "on": np.bool_(True)}

    assert json.loads(sent([row])[1]) == {"lr": 0.5, "n": 7, "on": True}


def test_a_data_frame_is_sent_as_parquet_without_its_index() -> None:
    frame = pd.DataFrame(ROWS, index=["a", "b"])

    assert upload(TEMPLATE, frame).content_type == PARQUET
    pd.testing.assert_frame_equal(
        pd.read_parquet(io.BytesIO(sent(frame)[1])), frame.reset_index(drop=True)
    )


class PolarsLike:
    def write_parquet(self, file: Any) -> None:
        file.write(b"PAR1")


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (
            pd.DataFrame([[1, 2]], columns=["a", "a"]),
            "table.columns: got 'a'; allowed: names, each",
        ),
        (pd.DataFrame({"a": [1j]}), r"table.0.a: got 1j; allowed: .*frame\['a'\].astype\(str\)"),
        (pd.DataFrame({"a": ["x", Path("y")]}), r"table.1.a: got PosixPath\('y'\); .*as text: "),
        (pd.DataFrame({"a": [1, "x"]}), "got 'a DataFrame'; allowed: columns of one kind each"),
    ],
)
def test_a_frame_that_parquet_cannot_hold_is_refused_in_words(
    frame: pd.DataFrame, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        sent(frame)


def test_a_polars_frame_writes_itself() -> None:
    assert upload(TEMPLATE, PolarsLike()).content_type == PARQUET
    assert sent(PolarsLike())[1] == b"PAR1"


class WithoutParquet:
    """A pandas frame where no Parquet library is installed."""

    def __init__(self) -> None:
        self.frame = pd.DataFrame(ROWS)
        self.iloc = self.frame.iloc

    def isna(self) -> pd.DataFrame:
        return self.frame.isna()

    def to_parquet(self, file: Any, index: bool) -> None:
        raise ImportError


def test_pandas_without_parquet_says_what_helps() -> None:
    with pytest.raises(InvalidInput, match=r"pandas needs pyarrow.*to_dict\('records'\)"):
        sent(WithoutParquet())


@pytest.mark.parametrize(
    ("name", "kind"),
    [("t.csv", CSV), ("t.ndjson", NDJSON), ("t.jsonl", NDJSON), ("t.parquet", PARQUET)],
)
def test_a_file_is_sent_as_it_is(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"bytes")

    assert upload(TEMPLATE, path).content_type == kind
    assert sent(str(path))[1] == b"bytes"


def test_a_zipped_text_file_is_unzipped_on_the_way(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"a\n1\n"))

    assert upload(TEMPLATE, path).content_type == CSV
    assert sent(path)[1] == b"a\n1\n"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("table.xlsx", "got 'table.xlsx'; allowed: a file ending in .csv"),
        ("table.parquet.gz", "allowed: a file ending in"),
        ("missing.csv", "allowed: a file that exists"),
        (7, "got 7; allowed: a DataFrame, rows as mappings"),
        ({"lr": [0.1]}, "allowed: a DataFrame, rows as mappings"),
        (b"a,b", "allowed: a DataFrame, rows as mappings"),
        ([ROWS[0], 7], "table.1: got 7; allowed: a row as a mapping"),
        ([ROWS[0], {"lr": float("nan")}], "table.1: got .*finite numbers"),
        ([{"lr": object()}], "table.0: got .* is no scalar"),
        (pd.DataFrame({"lr": [0.1, None]}), "table.1.lr: got nan; allowed: a value"),
    ],
)
def test_what_is_no_table_is_refused_by_name(table: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        sent(table)
