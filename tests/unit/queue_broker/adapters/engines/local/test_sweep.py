"""Only what is old and over is removed."""

from __future__ import annotations

import os
from pathlib import Path

from queue_broker.adapters.engines.local.sweep import sweep_out


def attempt(attempts: Path, leak: str, task: int, touched_s: float) -> None:
    folder = attempts / leak / str(task)
    folder.mkdir(parents=True)
    (folder / "output.log").touch()
    os.utime(folder, (touched_s, touched_s))
    os.utime(folder.parent, (0, 0))


def test_a_leak_goes_when_its_last_attempt_is_old_and_nothing_of_it_runs(tmp_path: Path) -> None:
    attempt(tmp_path, "old", 0, 100.0)
    attempt(tmp_path, "ended-late", 0, 100.0)
    attempt(tmp_path, "ended-late", 1, 300.0)
    attempt(tmp_path, "runs", 0, 100.0)

    removed = sweep_out(tmp_path, 200.0, lambda leak: leak == "runs")

    assert removed == ["old"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ended-late", "runs"]
