"""The tasks of a sweep as rows: up to millions of them, of which an estimate takes a block at a
time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from predictor.risk import Codes
from predictor.rows import Rows, distinct

Indexes = npt.NDArray[np.uint32]

#: Rows that are estimated in one go: some 50 ms, which is what a production job may have to wait.
BLOCK_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Distinct:
    """The distinct rows of a sweep, and each task's row among them."""

    rows: Rows
    inverse: Codes

    @classmethod
    def of(cls, rows: Rows, telling: Sequence[npt.NDArray[Any]]) -> Distinct:
        """`telling` are the columns by which estimates can differ."""
        first, inverse = distinct(telling, rows.size)
        return cls(rows.take(first) if len(first) < rows.size else rows, inverse)

    def each(self) -> Codes:
        """How many tasks each distinct row has."""
        return np.bincount(self.inverse, minlength=self.rows.size)

    def blocks(self) -> Iterator[tuple[slice, Rows]]:
        """The distinct rows in turn, some at a time, and where they stand."""
        places = np.arange(self.rows.size)
        for start in range(0, self.rows.size, BLOCK_ROWS):
            at = slice(start, start + BLOCK_ROWS)
            yield at, self.rows.take(places[at])

    def tasks(self, groups: Sequence[Codes]) -> list[Indexes]:
        """The tasks of each group of distinct rows, ascending."""
        group_of = np.empty(self.rows.size, dtype=np.uint16)
        for number, places in enumerate(groups):
            group_of[places] = number
        of_task = group_of[self.inverse]
        order = np.argsort(of_task, kind="stable").astype(np.uint32)
        counts = np.bincount(of_task, minlength=len(groups))
        return np.split(order, np.cumsum(counts)[:-1])
