"""Every family's history at every grain, and which of them speaks for a task."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from predictor.choice import Choice
from predictor.model import Model
from predictor.past import Past
from predictor.risk import LOST_S, Price
from predictor.series import Series
from predictor.ways import Way
from predictor.window import Seen

#: A coarser family must promise this much less waste for each grain before it may speak instead.
GRAIN_PENALTY = 1.5
#: Families with fewer attempts count as new: what they teach is how new families behave.
NEW = 3
#: All new families together; they speak, by request or by model, where nothing nearer is known.
ANYONE = "*"
#: So many attempts of others must be known before they speak for a kind of job; until then its
#: request does. A few small jobs that share a program would else starve a large one of memory.
#: A kind of job with as many of its own is not spoken for by others.
COARSE_MIN = 8
#: Histories that are remembered, one a family and quantity; those that were not learnt from for
#: longest are forgotten. Names that end in something random make a new family with every job.
MOST_SERIES = 50_000
#: Histories whose ways are kept once they were looked at: of a window of 256 attempts they take a
#: quarter of a MiB, and some ms to find again.
MOST_LOOKED_AT = 1_000
#: How dear too little is against too much: memory as the mode says, the others evenly.
EVEN = 1.0


@dataclass(frozen=True, slots=True)
class Voice:
    """The family that speaks for a task, and its way of doing so."""

    key: str
    series: Series
    choice: Choice
    way: Way
    total: int


@dataclass(slots=True)
class Families:
    """Series by (family, target); `weights` are the prices of a lost attempt, the lowest first."""

    weights: Sequence[float]
    series: dict[tuple[str, str], Series] = field(default_factory=dict)
    past: Past = field(default_factory=Past)
    targets: set[str] = field(default_factory=set)  #: those that any series is of
    #: Whose ways are kept, the one that was looked at last at the end.
    looked_at: dict[tuple[str, str], Series] = field(default_factory=dict)
    model: Model | None = None  #: the last that was taken up
    models: int = 0  #: how many were

    def take_up(self, model: Model | None) -> None:
        """Each history is told of it when it is looked at next: all of them take seconds, during
        which nobody would have an estimate.
        """
        self.model, self.models = model, self.models + 1

    def learn(
        self, keys: Sequence[str], target: str, item: Seen, charged: Collection[str] | None = None
    ) -> None:
        """Take in a finished attempt, at every grain; the ways of those `charged` (by default all)
        are held to account for it.
        """
        charged = keys if charged is None else charged
        if self.total(keys[0], target) < NEW:
            self._of(ANYONE, target).add(item, keys[0] in charged)
        finer = -1
        for key in keys:
            series = self._of(key, target)
            same, finer = series.total == finer, series.total
            series.add(item, key in charged and not same)

    def kill(self, keys: Iterable[str], target: str, item: Seen) -> None:
        """Take in a kill for memory, at every grain."""
        for key in keys:
            self._of(key, target).kill(item)

    def _of(self, key: str, target: str) -> Series:
        found = self.series.pop((key, target), None)
        if found is None:
            dear = [Price(weight, LOST_S) for weight in self.weights]
            prices = dear if target.endswith("memory_mib") else [Price(EVEN)]
            bases = frozenset({"request", "model"}) if key == ANYONE else None
            found = Series.at(prices, bases)
            self.targets.add(target)
        self.series[key, target] = found
        if len(self.series) > MOST_SERIES:
            oldest = next(iter(self.series))
            del self.series[oldest]
            self.looked_at.pop(oldest, None)
        self.looks_at(key, target, found)
        return found

    def looks_at(self, key: str, target: str, series: Series) -> None:
        """Somebody is about to ask for its ways."""
        if series.models != self.models:
            series.hear(self.model, target)
            series.models = self.models
        self.looked_at.pop((key, target), None)
        self.looked_at[key, target] = series

    def rest(self) -> None:
        """Let go of the ways of those that were looked at longest ago. Nobody may be about to use
        any of them."""
        while len(self.looked_at) > MOST_LOOKED_AT:
            self.looked_at.pop(next(iter(self.looked_at))).rest()

    def total(self, key: str, target: str) -> int:
        found = self.series.get((key, target))
        return found.total if found else 0

    def most(self, key: str, target: str) -> float:
        """The log of the most that the family's remembered attempts needed; -inf for none."""
        found = self.series.get((key, target))
        return max((item.log for item in found.ring.seen), default=-np.inf) if found else -np.inf

    def kind(self, keys: tuple[str, ...], target: str) -> tuple[str, ...]:
        """The keys with an unseen finest one left blank: all such families are one question."""
        return keys if (keys[0], target) in self.series else ("", *keys[1:])

    def voice(self, keys: Sequence[str], target: str, weight: float = 0.0) -> Voice | None:
        """The grain that promises the least waste at a price of a lost attempt (by default the
        lowest); the finest of equals.

        A coarser family that has seen no more than the finer one is the same, and is not asked. Nor
        is one beyond a family that knows enough by itself: what a coarser one promises is the mean
        over kinds of which some hardly vary, and says little of one that does.
        """
        voices = list(self._voices(keys, target, weight))
        if not voices:
            return None
        return min(voices, key=lambda pair: pair[0])[1]

    def _voices(
        self, keys: Sequence[str], target: str, weight: float
    ) -> Iterator[tuple[float, Voice]]:
        penalty, finer, finest = 1.0, 0, next(iter(keys), ANYONE)
        for key in (*keys, ANYONE):
            series = self.series.get((key, target))
            least = 1 if key == finest else COARSE_MIN
            told = series is not None and series.total >= least and series.total != finer
            choice = self._choice(key, target, series, weight) if series and told else None
            finer = series.total if series else finer
            if series and choice and (way := choice.best):
                yield penalty * way.promise, Voice(key, series, choice, way, series.total)
                if series.total >= COARSE_MIN:
                    return
            penalty *= GRAIN_PENALTY

    def _choice(self, key: str, target: str, series: Series, weight: float) -> Choice:
        self.looks_at(key, target, series)
        return series.choice(weight)

    def counts(self, keys: Iterable[str], target: str) -> Mapping[str, int]:
        """How many attempts each of the families remembers having seen."""
        return {key: self.total(key, target) for key in keys if (key, target) in self.series}
