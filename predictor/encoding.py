"""Facts as the rows of a matrix that LightGBM reads: which column is what was learnt at
training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from predictor.features import Facts
from predictor.kin import plain
from predictor.rows import Rows

Matrix = npt.NDArray[np.float64]

MAX_COLUMNS = 256
MAX_LEVELS = 256
#: A word seen less often than this is noise: it gets no level of its own.
MIN_SEEN = 2


@dataclass(frozen=True, slots=True)
class Column:
    """One feature. With `levels` it is a category, coded by its place; unseen words become NaN."""

    name: str
    levels: tuple[str, ...] | None = None


class Encoder:
    """From facts to a matrix, with the columns that training found."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self._codes = {
            column.name: {word: float(code) for code, word in enumerate(column.levels)}
            for column in self.columns
            if column.levels is not None
        }

    @classmethod
    def fit(cls, rows: Sequence[Facts]) -> Self:
        """The columns that vary or may vary, the most often known first, capped at
        `MAX_COLUMNS`.
        """
        seen = Counter(name for row in rows for name in plain(row.numbers))
        words: dict[str, Counter[str]] = {}
        for row in rows:
            for name, word in row.words.items():
                words.setdefault(name, Counter())[word] += 1
        numbers = [Column(name) for name in seen if name not in words or seen[name] > 1]
        categories = [Column(name, _levels(count)) for name, count in words.items()]
        known = {name: seen[name] + words.get(name, Counter()).total() for name in {*seen, *words}}
        columns = [c for c in (*numbers, *categories) if c.levels is None or c.levels]
        columns.sort(key=lambda c: (-known[c.name], c.name, c.levels is None))
        return cls(columns[:MAX_COLUMNS])

    def encode(self, rows: Rows) -> Matrix:
        """Shape (rows, columns); what is not known, or was not at training, is NaN."""
        matrix = np.empty((rows.size, len(self.columns)))
        for place, column in enumerate(self.columns):
            matrix[:, place] = self._values(column, rows)
        return matrix

    def _values(self, column: Column, rows: Rows) -> Matrix | float:
        if column.levels is None:
            return rows.numbers.get(column.name, np.nan)
        words = rows.words.get(column.name)
        if words is None:
            return np.nan
        codes = self._codes[column.name]
        return np.array([*(codes.get(word, np.nan) for word in words.levels), np.nan])[words.codes]

    @property
    def categorical(self) -> list[int]:
        return [place for place, column in enumerate(self.columns) if column.levels is not None]

    def to_json(self) -> list[dict[str, Any]]:
        return [{"name": column.name, "levels": column.levels} for column in self.columns]

    @classmethod
    def from_json(cls, columns: Sequence[Mapping[str, Any]]) -> Self:
        return cls(
            [
                Column(str(item["name"]), None if item["levels"] is None else tuple(item["levels"]))
                for item in columns
            ]
        )


def _levels(count: Counter[str]) -> tuple[str, ...]:
    often = [(seen, word) for word, seen in count.items() if seen >= MIN_SEEN]
    often.sort(key=lambda pair: (-pair[0], pair[1]))
    return tuple(word for _, word in often[:MAX_LEVELS])
