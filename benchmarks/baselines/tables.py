"""Tables of measured jobs as observations, so that every benchmark goes through `train` and
`Predictor`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headgate.estimate import Estimate
from headgate.job import Job
from headgate.lifecycle import Cause
from headgate.usage import Meter, Observation, Usage
from predictor.predictor import Predictor
from training.dataset import Vector, build
from training.fit import FitOptions, fit


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table are what: parameters and tags known at submission, and what was
    measured.
    """

    name: str
    parameters: Sequence[str]
    memory_mib: str | None = None
    runtime_s: str | None = None
    gpu_memory_mib: str | None = None
    words: Sequence[str] = field(default=())
    tags: Sequence[str] = field(default=())


def observations(
    frame: pd.DataFrame, columns: Columns, start_s: float = 1.6e9
) -> list[Observation]:
    """One attempt a row, one after the other, in the order of the table."""
    records = frame.to_dict("records")
    used = [usage(row, columns) for row in records]
    ends = start_s + np.cumsum([one.runtime_s for one in used])
    return [
        Observation(
            job(row, columns),
            used[place],
            Cause.EXITED,
            0,
            1,
            float(ends[place]),
            parameters=parameters(row, columns),
        )
        for place, row in enumerate(records)
    ]


def job(row: dict[Any, Any], columns: Columns) -> Job:
    """All rows are one kind of job; their tags say what each works on."""
    return Job(
        name=columns.name, command=("run",), tags={tag: str(row[tag]) for tag in columns.tags}
    )


def parameters(row: dict[Any, Any], columns: Columns) -> dict[str, object]:
    """What the row's job is submitted with; what was not recorded is left out."""
    found: dict[str, object] = {
        name: float(row[name]) for name in columns.parameters if not _missing(row[name])
    }
    return found | {name: f"{name}={row[name]}" for name in columns.words}


def usage(row: dict[Any, Any], columns: Columns) -> Usage:
    def measured(name: str | None) -> float | None:
        return None if name is None or _missing(row[name]) else float(row[name])

    return Usage(
        runtime_s=measured(columns.runtime_s) or 60.0,
        peak_memory_mib=measured(columns.memory_mib),
        gpu_memory_mib=measured(columns.gpu_memory_mib),
        meter=Meter.IMPORTED,
    )


Folds = Sequence[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]


def foretell(
    frame: pd.DataFrame, columns: Columns, folds: Folds, mode: str = "cost", at_once: int = 0
) -> dict[int, Estimate]:
    """The estimate of each tested row, by its place: train on the first part of each fold, in
    the order given, as `headgate train` would, and estimate the second. `at_once` rows of it are
    estimated before they are learnt from, as the broker does between two nights; 0: none is.
    """
    found: dict[int, Estimate] = {}
    for train, test in folds:
        seen = observations(frame.iloc[train], columns)
        predictor = Predictor(fit(build(seen), FitOptions(folds=2)))
        predictor.observe(seen)
        later = observations(frame.iloc[test], columns, seen[-1].finished_at_s)
        step = at_once or len(later)
        for start in range(0, len(later), step):
            block = later[start : start + step]
            said = predictor.estimate([as_submitted(item) for item in block], mode)
            found |= zip(test[start : start + step].tolist(), said, strict=True)
            if at_once:
                predictor.observe(block)
    return found


def as_submitted(item: Observation) -> Job:
    return item.job.model_copy(update={"parameters": item.parameters})


def shuffled_folds(size: int, seed: int) -> Folds:
    """Five folds, each part in a shuffled order: in such a split the order of rows means
    nothing.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(size)
    parts = np.array_split(order, 5)
    return [
        (np.concatenate([part for other, part in enumerate(parts) if other != place]), parts[place])
        for place in range(5)
    ]


def mape(predicted: Vector, actual: Vector) -> float:
    """The mean of the absolute errors in proportion to the actual values."""
    return float(np.mean(np.abs(predicted - actual) / actual))


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and bool(np.isnan(value)))
