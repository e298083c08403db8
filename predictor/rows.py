"""Many tasks side by side: features as columns, for a batch of jobs and for a sweep alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from headgate.job import Job
from predictor.encoding import Encoder, Matrix
from predictor.features import Facts, facts, family_keys

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Facts of distinct tasks, with the family keys of each."""

    known: Sequence[Facts]
    keys: Sequence[tuple[str, ...]]

    def encode(self, encoder: Encoder) -> Matrix:
        return encoder.encode(self.known)


def rows_of_jobs(jobs: Sequence[Job], parameters: Sequence[Mapping[str, object]] = ()) -> Rows:
    """Jobs as rows; `parameters` are the tasks' own, one mapping a job."""
    own: Sequence[Mapping[str, object]] = parameters or [{}] * len(jobs)
    known = [facts(job, mine) for job, mine in zip(jobs, own, strict=True)]
    return Rows(known, [family_keys(job, row) for job, row in zip(jobs, known, strict=True)])


@dataclass(frozen=True, slots=True)
class Distinct:
    """The distinct combinations of some columns: a first index of each, and which one each
    row is.
    """

    first: Codes
    inverse: Codes


def distinct_rows(columns: Mapping[str, npt.NDArray[Any]], size: int) -> Distinct:
    """Which rows of a table are alike; in the order of the columns' values."""
    code = np.zeros(size, dtype=np.int64)
    for values in columns.values():
        levels, inverse = np.unique(as_column(values), return_inverse=True)
        code = code * len(levels) + inverse
        _, code = np.unique(code, return_inverse=True)
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    return Distinct(first.astype(np.int64), inverse.astype(np.int64))


def as_column(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A column that numpy can sort: mixed objects are compared by their text."""
    return values if values.dtype.kind in "biufUS" else values.astype(str)


@dataclass(slots=True)
class Sweep:
    """A template with the parameters that differ, by name."""

    job: Job
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def parameters(self, index: int) -> dict[str, object]:
        return {name: _plain(values[index]) for name, values in self.columns.items()}


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value
