"""Workflow traces in the format of nextflow_tasks.parquet, as tasks."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from benchmarks.baselines.protocol import Task
from headgate.errors import InvalidInput, Problem

#: What a row is of, what was measured, what was known before (0 or nothing: it was not), and when.
NAMES, MEASURED = ("workflow", "task"), ("rss_bytes", "realtime_ms")
KNOWN, TIMES = ("req_memory_bytes", "input_read_bytes"), ("submit_ms", "complete_ms")
#: The rows of the published evaluation, in tables that mark them.
MARK = "sizey_eval_subset"
#: No machine has more memory; such a need was not measured. Nor does a process do with less.
MOST_BYTES, LEAST_BYTES = 2.0**45, 2.0**20
#: Some tables tell the end to the second, and the submission to the millisecond.
CLOCK_MS = 1_000.0

#: The published protocol leaves out processes with fewer rows, and keeps this share as history.
MIN_TASKS = 34
HISTORY_SHARE = 0.3


def read(path: Path) -> pd.DataFrame:
    """The rows of the evaluation, those that the table marks where it does, that can be judged.

    How many cannot be is told on stderr: rows without a process, a measured need or a runtime, and
    such as say that they were complete before they were submitted. `InvalidInput` where a column
    is missing or holds no numbers, or where no process has enough rows.
    """
    frame = load(path, (*NAMES, *MEASURED))
    present = [name for name in (*MEASURED, *KNOWN, *TIMES) if name in frame]
    frame = frame.assign(**{name: numbers(frame, name) for name in present})
    if MARK in frame:
        frame = frame[frame[MARK].eq(True)]
    kept = frame[can_be_judged(frame)]
    if len(kept) < len(frame):
        why = "no process, need or runtime, or complete before they were submitted"
        print(f"{len(frame) - len(kept):,} of {len(frame):,} rows left out: {why}", file=sys.stderr)
    largest = max(kept.groupby(list(NAMES)).size(), default=0)
    if largest < MIN_TASKS:
        refuse(f"{largest} rows of the largest process", f"{MIN_TASKS} or more")
    if (middle := kept["rss_bytes"].median()) < LEAST_BYTES:
        refuse(f"rss_bytes of {middle:,.0f} in the median", "bytes; is this in MiB or in GB?")
    return kept.reset_index(drop=True)


def load(path: Path, needed: Sequence[str] = ()) -> pd.DataFrame:
    """A table that has the columns needed; CSV where its name says so, else Parquet."""
    try:
        frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except (ValueError, OSError) as error:
        refuse(f"{path}, which cannot be read ({error})", "a Parquet or a CSV file")
    missing = [name for name in needed if name not in frame]
    if missing:
        wanted = ", ".join(needed)
        refuse(f"a table without {', '.join(missing)}", f"a table with the columns {wanted}")
    return frame


def numbers(frame: pd.DataFrame, name: str) -> pd.Series[float]:
    """A column of numbers, NaN where there is none."""
    found = pd.to_numeric(frame[name], errors="coerce").astype(float)
    wrong = frame[name].notna() & found.isna()
    if wrong.any():
        refuse(f"{frame[name][wrong].iloc[0]!r} as {name}", "a number, or nothing")
    return found.where(np.isfinite(found))


def can_be_judged(frame: pd.DataFrame) -> pd.Series[bool]:
    named = frame[list(NAMES)].notna().all(axis=1)
    needs, runtimes = frame["rss_bytes"], frame["realtime_ms"]
    measured = (needs > 0) & (needs <= MOST_BYTES) & (runtimes > 0)
    if not has_times(frame):
        return named & measured
    return named & measured & (frame["complete_ms"] >= frame["submit_ms"] - CLOCK_MS)


def has_times(frame: pd.DataFrame) -> bool:
    """Whether the order in time is known."""
    return set(TIMES) <= set(frame)


def refuse(got: str, allowed: str) -> NoReturn:
    raise InvalidInput([Problem("PATH", got, allowed)])


def tasks(frame: pd.DataFrame) -> list[Task]:
    """One `Task` a row; `index` is the row's place in the frame."""
    unknown = pd.Series(0.0, frame.index)
    known = {name: frame.get(name, unknown).fillna(0.0) for name in (*KNOWN, *TIMES)}
    columns = (
        frame["task"],
        known["input_read_bytes"],
        known["req_memory_bytes"],
        frame["rss_bytes"],
        frame["realtime_ms"],
        *(known[name] for name in TIMES),
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
