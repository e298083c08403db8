"""A history too long to be learnt from whole."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from predictor.features import name_pattern
from predictor.history import to_table
from tests.unit.predictor.examples import job, ran
from training import thinning
from training.thinning import Thinned


def nights(count: int, sweep: int) -> list[pa.Table]:
    """Each night one large sweep, and a few tasks of a pipeline."""
    found = []
    for night in range(count):
        names = [f"sweep-{at}" for at in range(sweep)] + ["align", "sort"]
        each = [ran(job(name), 100.0, at=night * 1e5 + at) for at, name in enumerate(names)]
        found.append(to_table(each))
    return found


def thinned(tables: list[pa.Table], most: int) -> Thinned:
    history = Thinned(most)
    for rows in tables:
        history.add(rows)
    return history


def test_a_short_history_is_kept_whole() -> None:
    tables = nights(3, 10)

    assert thinned(tables, 36).rows.equals(pa.concat_tables(tables))


def test_of_a_long_one_rare_kinds_are_kept_whole_and_the_frequent_one_here_and_there_in_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(thinning, "TOGETHER", 20)
    history = thinned(nights(20, 500), 640)

    names = Counter(name_pattern(name) for name in history.rows["name"].to_pylist())
    assert history.seen == 20 * 502
    assert names == {"align": 20, "sort": 20, "sweep-#": 600}
    ends = np.array(history.rows["finished_at_s"])
    assert (np.diff(ends) > 0).all()
    assert len(set(ends // 1e5)) == 20
    swept = ends[ends % 1e5 < 500]
    assert 200 < (swept % 1e5 < 250).sum() < 400
    assert (np.diff(swept) == 1).sum() > 500  # mostly beside those that ended before and after them


def test_no_more_rows_are_held_than_may_be_kept_and_come_at_once() -> None:
    history = Thinned(50)
    for rows in nights(20, 98):
        history.add(rows)

        assert history.rows.num_rows <= 50


def test_the_same_history_is_thinned_alike() -> None:
    tables = nights(5, 100)

    assert thinned(tables, 60).rows.equals(thinned(tables, 60).rows)
