"""Workflow traces in the format of nextflow_tasks.parquet, as tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.model_selection import train_test_split

from benchmarks.baselines.protocol import Task

#: The published protocol leaves out processes with fewer rows, and keeps this share as history.
MIN_TASKS = 34
HISTORY_SHARE = 0.3


def read(path: Path) -> pd.DataFrame:
    """The rows of the evaluation: those it marks where it does, else every row that was
    measured.
    """
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    if "sizey_eval_subset" in frame:
        return frame[frame["sizey_eval_subset"]].reset_index(drop=True)
    measured = (frame["rss_bytes"] > 0) & (frame["realtime_ms"] > 0)
    return frame[measured].reset_index(drop=True)


def tasks(frame: pd.DataFrame) -> list[Task]:
    """One `Task` a row; `index` is the row's place in the frame."""
    times = [frame.get(name, pd.Series(0.0, frame.index)) for name in ("submit_ms", "complete_ms")]
    columns = (
        frame["task"],
        frame["input_read_bytes"].fillna(0.0),
        frame["req_memory_bytes"],
        frame["rss_bytes"],
        frame["realtime_ms"],
        *times,
    )
    samples = frame.get("tag", pd.Series("", frame.index)).fillna("").astype(str)
    named = zip(*columns, samples, strict=True)
    return [task(place, row) for place, row in enumerate(named)]


def task(index: int, row: Sequence[Any]) -> Task:
    """A `Task` of its process, its numbers, and its sample."""
    process, *numbers, sample = row
    input_bytes, requested, need, runtime, submit, complete = map(float, numbers)
    return Task(
        index, str(process), input_bytes, requested, need, runtime, submit, complete, str(sample)
    )


def processes(frame: pd.DataFrame) -> Iterator[tuple[str, str, list[Task]]]:
    """(workflow, process, tasks in file order) of every process that is large enough."""
    everything = tasks(frame)
    for (workflow, process), rows in frame.groupby(["workflow", "task"], sort=False):
        if len(rows) >= MIN_TASKS:
            yield str(workflow), str(process), [everything[place] for place in rows.index]


def published_split(rows: list[Task], seed: int) -> tuple[list[Task], list[Task]]:
    """30 % as history, 70 % to size one by one, shuffled as the published code does."""
    history, later = train_test_split(rows, test_size=1 - HISTORY_SHARE, random_state=seed)
    return list(history), list(later)


def time_split(rows: list[Task]) -> tuple[list[Task], list[Task]]:
    """The first 30 % by submission as history, the rest to size."""
    ordered = sorted(rows, key=lambda task: (task.submit_ms, task.index))
    cut = round(len(ordered) * HISTORY_SHARE)
    return ordered[:cut], ordered[cut:]
