from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.job import Job
from headgate.sweep import Grid
from queue_broker.core import parameters, tables
from queue_broker.core.parameters import Band, Parameters, grid_columns
from queue_broker.core.tables import Format, batches, chunks
from queue_broker.records import Chunk, JobId, Submission, Table

JOB = Job(name="train", command=("true",), parameters={"lr": 9, "seed": 1})


class Shelf:
    """A reader of one table's chunks, that counts how often it is asked."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        content = "\n".join(map(json.dumps, rows)).encode()
        self.kept = list(chunks(batches(io.BytesIO(content), Format.NDJSON)))
        self.asked = 0

    def chunk(self, job_id: JobId, task: int) -> Chunk:
        self.asked += 1
        return next(one for one in self.kept if one.first <= task < one.first + one.rows)

    def chunks(self, job_id: JobId) -> Iterator[Chunk]:
        return iter(self.kept)


def a_record(source: Grid | Table, size: int = 10, job_id: str = "sweep") -> Submission:
    return Submission(JobId(job_id), JOB, "acme", "sweep", 0.0, "", size, True, source)


def of_shelf(shelf: Shelf | None, kept: int = 8) -> Parameters:
    return Parameters(shelf, kept)  # type: ignore[arg-type]  # the part that is used


@pytest.fixture
def tens(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """100 rows in chunks of 10."""
    monkeypatch.setattr(tables, "CHUNK_ROWS", 10)
    return Shelf([{"lr": at / 10, "kind": f"k{at % 3}"} for at in range(100)])


def test_a_grids_values_go_over_the_templates() -> None:
    record = a_record(Grid(axes={"lr": (0.1, 0.2), "depth": (3, 4)}))

    assert of_shelf(None).of(record, 2) == {"lr": 0.2, "seed": 1, "depth": 3}


def test_tasks_told_apart_by_index_have_the_templates_parameters() -> None:
    assert of_shelf(None).of(a_record(Table.NONE), 7) == JOB.parameters
    assert list(of_shelf(None).bands(a_record(Table.NONE))) == []


def test_a_tables_row_goes_over_the_templates(tens: Shelf) -> None:
    assert of_shelf(tens).of(a_record(Table.CHUNKS), 57) == {"lr": 5.7, "seed": 1, "kind": "k0"}


def test_neighbours_are_read_from_the_chunk_at_hand(tens: Shelf) -> None:
    reader = of_shelf(tens)

    for task in range(100):
        reader.of(a_record(Table.CHUNKS), task)

    assert tens.asked == 10


def test_only_the_chunks_last_used_are_kept(tens: Shelf) -> None:
    reader = of_shelf(tens, kept=2)

    for task in (0, 10, 0, 20, 0, 10):
        reader.of(a_record(Table.CHUNKS), task)

    assert tens.asked == 4  # 10 was the one that had to go for 20


def test_two_sweeps_do_not_share_chunks(tens: Shelf) -> None:
    reader = of_shelf(tens)

    reader.of(a_record(Table.CHUNKS), 0)
    reader.of(a_record(Table.CHUNKS, job_id="another"), 0)

    assert tens.asked == 2


def test_a_tables_columns_are_put_together(tens: Shelf) -> None:
    [whole] = of_shelf(tens).bands(a_record(Table.CHUNKS, 100))

    assert (whole.first, whole.size) == (0, 100)
    assert whole.columns["lr"].dtype == np.float64
    np.testing.assert_allclose(whole.columns["lr"], np.arange(100) / 10)
    assert list(whole.columns["kind"][:4]) == ["k0", "k1", "k2", "k0"]


@pytest.mark.parametrize("most", [("BAND_TASKS", 25), ("BAND_BYTES", 300)])
def test_a_large_table_is_spelt_out_band_by_band(
    monkeypatch: pytest.MonkeyPatch, tens: Shelf, most: tuple[str, int]
) -> None:
    monkeypatch.setattr(parameters, *most)

    bands = list(of_shelf(tens).bands(a_record(Table.CHUNKS, 100)))

    assert [(band.first, band.size) for band in bands] == [(0, 30), (30, 30), (60, 30), (90, 10)]
    rates = np.concatenate([band.columns["lr"] for band in bands])
    np.testing.assert_allclose(rates, np.arange(100) / 10)


def columns_of(*rows: dict[str, Any]) -> dict[str, Any]:
    [band] = of_shelf(Shelf(list(rows))).bands(a_record(Table.CHUNKS, len(rows)))
    return band.columns


def test_a_column_of_mixed_kinds_is_one_of_objects() -> None:
    assert list(columns_of({"v": 1}, {"v": "sqrt"}, {"v": None})["v"]) == [1, "sqrt", None]


def test_whole_numbers_among_broken_ones_are_still_numbers() -> None:
    shelf = Shelf([{"v": 0.5}, {"v": 1}])

    assert columns_of({"v": 0.5}, {"v": 1})["v"].dtype == np.float64
    assert repr(of_shelf(shelf).of(a_record(Table.CHUNKS), 1)["v"]) == "1"


AXES = st.dictionaries(
    st.sampled_from("abcd"),
    st.lists(st.integers(-9, 9) | st.text(max_size=2) | st.none(), min_size=1, max_size=4),
    min_size=1,
)


@given(AXES, st.integers(1, 100))
@settings(max_examples=60, deadline=None)
def test_a_grids_columns_say_what_its_tasks_say(axes: dict[str, list[Any]], most: int) -> None:
    grid = Grid(axes={name: tuple(values) for name, values in axes.items()})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parameters, "BAND_TASKS", most)
        bands = list(of_shelf(None).bands(a_record(grid, grid.size)))

    assert [band.first for band in bands] == list(range(0, grid.size, most))
    said = (dict(zip(band.columns, row, strict=True)) for band in bands for row in rows_of(band))
    assert list(said) == list(grid.tasks())


def rows_of(band: Band) -> Iterator[tuple[Any, ...]]:
    return zip(*band.columns.values(), strict=True)


def test_numbers_of_a_grid_are_numbers() -> None:
    axes: dict[str, Any] = {"n": (1, 2), "x": (0.5,), "on": (True, False), "m": (1, "a")}

    columns = grid_columns(Grid(axes=axes), 0, 8)

    assert [columns[name].dtype.kind for name in ("n", "x", "on", "m")] == ["i", "f", "b", "O"]


def test_an_integer_beyond_64_bits_keeps_its_value() -> None:
    axes: dict[str, Any] = {"n": (1, 2**70)}

    columns = grid_columns(Grid(axes=axes), 0, 2)

    assert columns["n"][1] == 2**70
