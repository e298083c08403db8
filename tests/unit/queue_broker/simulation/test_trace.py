from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from headgate.errors import InvalidInput
from queue_broker.simulation.generate import arrivals, sweep
from queue_broker.simulation.trace import read_trace, to_trace


def a_frame(**columns: object) -> pd.DataFrame:
    plain: dict[str, object] = {
        "submit_time_s": [0.0, 5.0],
        "duration_s": [10.0, 20.0],
        "user": ["ada", "bob"],
    }
    return pd.DataFrame(plain | columns)


def test_what_a_trace_leaves_out_has_a_default() -> None:
    trace = to_trace(a_frame())
    assert list(trace.vcpu) == [1.0, 1.0]
    assert list(trace.tier) == ["interactive", "interactive"]
    assert list(trace.tenant) == ["ada", "bob"]
    assert list(trace.memory_used_mib) == list(trace.memory_mib)


def test_a_user_stands_below_the_tenant() -> None:
    trace = to_trace(a_frame(tenant=["physics", None]))
    assert list(trace.tenant) == ["physics/ada", "bob"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"submit_time_s": [5.0, 0.0]}, r"submit_time_s\[1\]: got 0\.0; allowed: times in asc"),
        ({"submit_time_s": [-1.0, 0.0]}, r"submit_time_s\[0\]: got -1\.0;"),
        ({"duration_s": [1.0, None]}, r"duration_s\[1\]: got nan;"),
        ({"vcpu": [0, 1]}, r"vcpu\[0\]: got 0;"),
        ({"memory_mib": ["much", 1]}, r"memory_mib\[0\]: got 'much'"),
    ],
)
def test_a_wrong_row_is_named(columns: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        to_trace(a_frame(**columns))


def test_a_missing_column_and_an_empty_trace_are_refused() -> None:
    with pytest.raises(InvalidInput, match="duration_s"):
        to_trace(a_frame().drop(columns="duration_s"))
    with pytest.raises(InvalidInput, match="no rows"):
        to_trace(a_frame().head(0))


@pytest.mark.parametrize("name", ["trace.csv", "trace.parquet"])
def test_csv_and_parquet_say_the_same(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    frame = a_frame()
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
    assert list(read_trace(path).submit_s) == [0.0, 5.0]


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trace.txt").touch()
    with pytest.raises(InvalidInput, match=r"\.csv or"):
        read_trace(tmp_path / "trace.txt")
    with pytest.raises(InvalidInput, match="exists"):
        read_trace(tmp_path / "none.csv")


def test_merged_traces_are_in_order_and_keep_their_jobs_apart() -> None:
    both = to_trace(a_frame()).merged(sweep(3, 2.0, 60.0, 1, "sweeper"))
    assert list(both.submit_s) == [0.0, 2.0, 2.0, 2.0, 5.0]
    assert list(both.job) == [0, 2, 2, 2, 1]


def test_generated_arrivals_are_the_same_for_the_same_seed() -> None:
    one, two = arrivals(500, 1.0, seed=3), arrivals(500, 1.0, seed=3)
    assert list(one.runtime_s) == list(two.runtime_s)
    assert (one.submit_s[1:] >= one.submit_s[:-1]).all()
