"""The recent past of one family and one quantity, as arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from predictor.kin import RAW, Kin, Yardstick, yardsticks
from predictor.risk import Codes, Vector

#: The latest are remembered each, and as many of the older ones, evenly spread: a family's last
#: hour may all be of one kind, and memory is finite.
REMEMBERED = 128
#: The most numbers of a task that a family's own fits look at: parameters and inputs before what
#: was requested or typed. Half of the attempts, at least, must have known a number.
MAX_INPUTS = 12
FIRST = ("parameter.", "input.", "kin.")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of some tasks before they run, one entry a task; NaN where it is not.

    `model` is the log middle that the trained model foretells, `asked` the log of the request,
    `high` the model's own log bound.
    """

    size: int
    inputs: Mapping[str, Vector]
    model: Vector
    asked: Vector
    high: Vector
    kin: Sequence[Kin] = field(default=(), kw_only=True)

    def input(self, name: str) -> Vector:
        found = self.inputs.get(name)
        return np.full(self.size, np.nan) if found is None else found

    def take(self, places: Codes) -> Known:
        inputs = {name: values[places] for name, values in self.inputs.items()}
        numbers = (self.model[places], self.asked[places], self.high[places])
        kin = [one.take(places) for one in self.kin]
        return Known(len(places), inputs, *numbers, kin=kin)


@dataclass(frozen=True, slots=True)
class Window:
    """Past tasks, the oldest first: what was known of each, and the log of what it needed. So many
    of the first as `before` says had all ended when a task started.
    """

    known: Known
    logs: Vector
    runtime_s: Vector
    before: Codes
    yardsticks: Mapping[str, Yardstick] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.logs)

    def reader(self, name: str) -> Callable[[Known], Vector]:
        """How an input is read off any tasks: kin are measured as those of the window were."""
        mark = self.yardsticks.get(name)
        if mark is None:
            return lambda known: known.input(name)
        return lambda known: mark.ratios(known.kin, known.size)


@dataclass(slots=True)
class Seen:
    """One attempt as a window keeps it. A change of model changes `model` and `high`, no more."""

    at_s: float
    inputs: Mapping[str, float]
    model: float
    asked: float
    log: float
    runtime_s: float
    high: float = np.nan


@dataclass(slots=True)
class Ring:
    """The latest attempts and a sample of the older ones; the window is built when it is
    asked for.
    """

    latest: list[Seen] = field(default_factory=list)  #: a deque of one takes 600 bytes more
    older: list[Seen] = field(default_factory=list)
    total: int = 0
    built: Window | None = None
    _every: int = 1

    @property
    def seen(self) -> list[Seen]:
        """What is remembered, the oldest first."""
        return [*self.older, *self.latest]

    def add(self, item: Seen) -> None:
        self.latest.append(item)
        self.total += 1
        self.built = None
        if len(self.latest) > REMEMBERED:
            self._retire(self.latest.pop(0))

    def _retire(self, item: Seen) -> None:
        """Keep one in `_every` of the older ones; when they are too many, half of them."""
        if (self.total - len(self.latest)) % self._every == 0:
            self.older.append(item)
        if len(self.older) > REMEMBERED:
            self.older = self.older[1::2]
            self._every *= 2

    def window(self) -> Window:
        if self.built is None:
            self.built = build(self.seen)
        return self.built


def build(seen: Sequence[Seen]) -> Window:
    """The window over some attempts, with the inputs that are known of most and differ among
    them.
    """
    counts = Counter(chain.from_iterable(item.inputs for item in seen))
    columns = {
        name: _column([item.inputs.get(name, np.nan) for item in seen])
        for name, count in counts.items()
        if 2 * count >= len(seen) and not name.startswith(RAW)
    }
    kin = Kin.of([item.inputs for item in seen])
    marks = yardsticks(kin)
    columns |= {name: mark.ratios([kin], len(seen)) for name, mark in marks.items()}
    names = sorted(columns, key=lambda name: not name.startswith(FIRST))
    varying = [name for name in names if _varies(columns[name])]
    known = Known(
        len(seen),
        {name: columns[name] for name in varying[:MAX_INPUTS]},
        _column([item.model for item in seen]),
        _column([item.asked for item in seen]),
        _column([item.high for item in seen]),
    )
    runtimes, ends = (
        _column([getattr(item, name) for item in seen]) for name in ("runtime_s", "at_s")
    )
    before = np.searchsorted(np.maximum.accumulate(ends), ends - runtimes, "right")
    return Window(known, _column([item.log for item in seen]), runtimes, before, marks)


def _varies(values: Vector) -> bool:
    """Whether most know it, and not all the same of it."""
    there = values[np.isfinite(values)]
    return 2 * len(there) >= len(values) and len(there) > 0 and bool(there.min() < there.max())


def _column(values: Sequence[float]) -> Vector:
    return np.array(values, dtype=np.float64)
