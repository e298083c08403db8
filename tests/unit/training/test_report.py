"""The notebook's back-test, and the notebook itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predictor.history import to_table
from tests.unit.predictor.examples import sweep_history
from training.report import Backtest, backtest

NOTEBOOK = Path(__file__).parents[3] / "notebooks" / "predicted_against_actual.ipynb"


@pytest.fixture(scope="module")
def history() -> pa.Table:
    return to_table(sweep_history(60))


@pytest.fixture(scope="module")
def result(history: pa.Table) -> Backtest:
    return backtest(history, 0.2)


def test_the_latest_fifth_is_foretold(result: Backtest) -> None:
    assert len(result.tasks) == result.summary["jobs"] == 12


def test_the_calibration_tells_shares_and_tasks(result: Backtest) -> None:
    table = result.calibration

    assert list(table.columns) == ["tasks", "below the median", "below the 95 % bound"]
    assert table["tasks"].sum() == 12
    assert (table["below the median"] <= table["below the 95 % bound"]).all()


def test_the_figure_has_a_line_where_both_are_equal(result: Backtest) -> None:
    *_, line = result.scatter("memory_mib").data

    assert list(line.x) == list(line.y)


def test_the_notebook_runs_top_to_bottom(history: pa.Table, tmp_path: Path) -> None:
    pq.write_table(history, tmp_path / "history.parquet")
    names: dict[str, Any] = {}
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)  # noqa: S102 - as its kernel does
            if "parameters" in cell["metadata"].get("tags", ()):
                names["history"] = tmp_path / "history.parquet"

    assert len(names["result"].tasks) == 12
