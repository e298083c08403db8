"""A history too long to be learnt from whole: of each kind of job as many attempts as of any other,
from here and there in its time.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from predictor.features import name_pattern, unversioned
from predictor.history import SCHEMA
from training.split import Places

#: Rows that stay or go together, as far as a kind has too many.
TOGETHER = 5_000


@dataclass(slots=True)
class Thinned:
    """Takes a history some rows at a time, and keeps at most `most` of them.

    Rows that ended one after the other draw a lot together, and of each kind those with the lowest
    stay. Row by row, tasks would be parted from their kin, by which the next ones are to be sized;
    the latest alone would be of one sweep, and of its shortest tasks, which start last.
    """

    most: int
    rows: pa.Table = field(default_factory=SCHEMA.empty_table)
    seen: int = 0
    _lots: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    _draw: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def add(self, rows: pa.Table) -> None:
        self.seen += rows.num_rows
        self.rows = pa.concat_tables([self.rows, rows])
        drawn = self._draw.random(rows.num_rows // TOGETHER + 1).repeat(TOGETHER)
        self._lots = np.concatenate([self._lots, drawn[: rows.num_rows]])
        if self.rows.num_rows > self.most:
            kept = fewest(kinds(self.rows), self._lots, self.most)
            self.rows, self._lots = self.rows.take(kept), self._lots[kept]


def kinds(rows: pa.Table) -> Iterator[Hashable]:
    """What kind of job each attempt was of, as far as it is told at a glance."""
    columns = (rows[name].to_pylist() for name in ("name", "definition", "image"))
    for name, definition, image in zip(*columns, strict=True):
        yield name_pattern(name), unversioned(definition), unversioned(image)


def fewest(kinds: Iterable[Hashable], lots: npt.NDArray[np.float64], most: int) -> Places:
    """The places of `most` rows, by their lots within their kind: of no kind are there more than of
    another that had as many."""
    turn = np.argsort(lots, kind="stable")
    codes = pd.factorize(pd.Series(list(kinds)))[0][turn]
    rank = pd.Series(codes).groupby(codes).cumcount().to_numpy()
    return np.sort(turn[np.argsort(rank, kind="stable")[:most]])
