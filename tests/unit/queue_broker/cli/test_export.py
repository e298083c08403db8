from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from headgate.errors import InvalidInput
from headgate.lifecycle import Cause
from queue_broker.adapters.store.store import SqlStore
from queue_broker.cli.history import app
from queue_broker.simulation.trace import read_trace
from queue_broker.verdicts import Fail
from tests.contract.stores import leak_all, make_runnable
from tests.factories import START_S, a_submission, a_sweep, ends


@pytest.fixture
def folder(database_url: str, tmp_path: Path) -> Path:
    """Of a broker whose jobs asked for nothing, but for one."""
    store = SqlStore(database_url)
    make_runnable(store, a_sweep("a", 3), a_submission("b", tier="production"))
    for leak in leak_all(store):
        store.settle(ends(leak))
    make_runnable(store, a_submission("killed"))
    for leak in leak_all(store):
        store.settle(ends(leak, [0], Fail("killed"), cause=Cause.OUT_OF_MEMORY, exit_code=137))
    store.close()
    assert database_url.endswith(str(tmp_path / "headgate.db"))
    return tmp_path


def export(folder: Path, file: str, days: str = "36500") -> str:
    arguments = ["export", str(folder / file), "--days", days, "--data-dir", str(folder)]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return str(done.output)


@pytest.mark.parametrize("file", ["week.csv", "week.parquet"])
def test_what_came_of_late_is_a_trace_that_can_be_replayed(folder: Path, file: str) -> None:
    assert "4 tasks are in" in export(folder, file)

    trace = read_trace(folder / file)

    assert len(trace) == 4
    assert sorted(trace.tier) == ["production", *["sweep"] * 3]
    assert set(trace.runtime_s) == {60.0}
    assert set(trace.memory_used_mib) == {500}
    assert set(trace.submit_s) == {START_S}


def test_days_without_a_task_and_files_of_other_kinds_are_refused(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="days in which a task ended"):
        export(folder, "week.csv", days="0.5")
    with pytest.raises(InvalidInput, match="a file named"):
        export(folder, "week.txt")


def test_more_jobs_than_a_page_are_all_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("queue_broker.cli.arrivals.JOBS", 1)
    monkeypatch.setattr("queue_broker.cli.arrivals.ATTEMPTS", 2)
    export(folder, "week.csv")
    assert len(pd.read_csv(folder / "week.csv")) == 4
