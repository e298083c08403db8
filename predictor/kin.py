"""How large a task's kin were beside the middles of their families, for a family's own fits.

A middle moves while a batch ends, its short tasks first. So a window measures its attempts, and the
tasks that it is asked about, by the same middles: those of the kin that its own attempts had.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self, TypeVar

import numpy as np

from predictor.risk import Codes, Flags, Vector

V = TypeVar("V", float, Vector)

#: How the log of what the latest kin of one family needed is named, see `raw_name`.
RAW, APART = "kinlog.", "\x1f"
#: So many attempts must have had kin of a family for their middle to be one.
ENOUGH = 3


@dataclass(frozen=True, slots=True)
class Kin:
    """What the latest kin of some tasks needed, entry by entry: each task has a few, of families of
    which there may be thousands. Tasks of one level have the same; one code stands for all tasks.
    """

    names: tuple[str, ...]
    name: Codes  #: of each entry, its place among the names
    level: Codes  #: of each entry
    logs: Vector
    levels: int
    codes: Codes  #: of each task, its level

    @classmethod
    def of(cls, levels: Sequence[Mapping[str, float]], codes: Codes | None = None) -> Self:
        """The raw numbers among those of each level, which by default is a task's."""
        found = [
            (at, name, log)
            for at, numbers in enumerate(levels)
            for name, log in numbers.items()
            if name.startswith(RAW)
        ]
        places = {name: place for place, name in enumerate(dict.fromkeys(n for _, n, _ in found))}
        return cls(
            tuple(places),
            np.array([places[name] for _, name, _ in found], dtype=np.intp),
            np.array([at for at, *_ in found], dtype=np.intp),
            np.array([log for *_, log in found], dtype=np.float64),
            len(levels),
            np.arange(len(levels)) if codes is None else codes,
        )

    def take(self, places: Codes) -> Kin:
        """Those of some of the tasks."""
        return self if len(self.codes) == 1 else replace(self, codes=self.codes[places])

    def summed(self, entries: Flags, values: Vector | None = None) -> Vector:
        """Of each task, the sum over some of its entries; by default how many there are."""
        sums = np.bincount(self.level[entries], values, self.levels).astype(np.float64)
        return sums[self.codes]

    def middles(self) -> Iterator[tuple[str, float]]:
        """The median of each name that enough entries have."""
        logs = self.logs[np.lexsort((self.logs, self.name))]
        counts = np.bincount(self.name, minlength=len(self.names))
        starts = np.cumsum(counts) - counts
        low, high = logs[starts + (counts - 1) // 2], logs[starts + counts // 2]
        middles = (low + high) / 2
        for place in np.flatnonzero(counts >= ENOUGH):
            yield self.names[place], float(middles[place])


@dataclass(frozen=True, slots=True)
class Yardstick:
    """The log middles of the kin that some attempts had, by the name of the raw number."""

    target: str
    middles: Mapping[str, float]

    def ratios(self, kin: Sequence[Kin], size: int) -> Vector:
        """One for each task, NaN where none of its kin is known."""
        own, usual, count = np.zeros(size), np.zeros(size), np.zeros(size)
        for some in kin:
            if not some.names:
                continue
            middles = np.array([self.middles.get(name, np.nan) for name in some.names])[some.name]
            there = np.isfinite(middles)
            count += some.summed(there)
            own += some.summed(there, summand(self.target, some.logs[there]))
            usual += some.summed(there, summand(self.target, middles[there]))
        known = count > 0
        found = np.full(size, np.nan)
        found[known] = ratio(self.target, own[known], usual[known], count[known])
        return found


def yardsticks(kin: Kin) -> dict[str, Yardstick]:
    """A yardstick for each derived input, by what the tasks of a window had."""
    groups: dict[str, dict[str, float]] = {name: {} for name in map(derived, kin.names)}
    for name, middle in kin.middles():
        groups[derived(name)][name] = middle
    return {name: Yardstick(name.split(".")[1], middles) for name, middles in groups.items()}


def plain(numbers: Mapping[str, float]) -> dict[str, float]:
    """Those that are columns: all but the raw numbers of kin."""
    return {name: value for name, value in numbers.items() if not name.startswith(RAW)}


def summand(target: str, log: V) -> V:
    """What is summed over kin. Runtimes add up, and count by their length: of a task of a second
    hardly more than its start is seen. Of memory it is the log.
    """
    return np.exp(log) if target == "runtime_s" else log


def ratio(target: str, own: V, usual: V, count: V | int) -> V:
    """What kin needed beside what is usual, from the sums over `count` of them; of memory the mean
    ratio, in log.
    """
    return own / usual if target == "runtime_s" else np.exp((own - usual) / count)


def raw_name(target: str, name: str, family: str) -> str:
    """The number that has what the latest kin of a family, by the word called `name`, needed."""
    return f"{RAW}{target}.{name}{APART}{family}"


@lru_cache(maxsize=16_384)
def derived(raw: str) -> str:
    """The ratio that a raw number is a part of: `kin.<target>.<word's name>`."""
    return "kin." + raw.removeprefix(RAW).partition(APART)[0]
