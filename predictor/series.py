"""One quantity of one family: its recent past, and the way of foretelling it that would have paid.

Each way (a base with a tail) is charged what it would have cost. Twice: on the window, each task
left out in turn, which learns fast; and in a ledger of what it did cost on each attempt before that
attempt was learnt (Dawid's prequential principle, 1984), which notices drift. The cheapest speaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from predictor.risk import Price, charge
from predictor.ways import Way, bounds_threshold, closest, ways
from predictor.window import Known, Ring, Seen

#: How sure the published bound is meant to be; by how much its level follows each task that it
#: held for or not, and how far.
BOUND, ADAPTING, LEVELS = 0.95, 0.02, (0.9, 0.99)
#: A bound is this much higher, in log, against rounding.
HAIR = 1e-9
#: A kill that was not foreseen widens the margin by this part of the errors' scatter.
#: It is at most a doubling, as of a retry that knows nothing.
CAUTION, MOST_CAUTION = 0.2, float(np.log(2.0))
#: An attempt of the ledger counts this much less with each later one.
LEDGER_FADING = 0.9
#: The window is looked at anew after so many attempts: at first each time, at last every
#: `MAX_STEP`.
STEP_SHARE, MAX_STEP = 16, 64


@dataclass(slots=True)
class Account:
    """What a way has cost of late, and what the median of the past cost on the same attempts."""

    own: float = 0.0
    reference: float = 0.0

    def book(self, own: float, reference: float) -> None:
        self.own = LEDGER_FADING * self.own + own
        self.reference = LEDGER_FADING * self.reference + reference


@dataclass(slots=True)
class Series:
    """The recent values of one quantity in one family."""

    price: Price
    bases: frozenset[str] | None = None  #: None: all of them
    ring: Ring = field(default_factory=Ring)
    ledger: dict[str, Account] = field(default_factory=dict)
    killed: list[Seen] = field(default_factory=list)
    level: float = BOUND  #: the quantile that, of late, held as often as `BOUND` promises
    caution: float = 0.0  #: what kills beyond those foreseen add to the log of what is given
    _ways: list[Way] = field(default_factory=list)
    _best: Way | None = None
    _closest: Way | None = None
    _is_fitted: bool = False
    _looked: int = 0

    @property
    def total(self) -> int:
        return self.ring.total

    def add(self, item: Seen, charged: bool = True) -> None:
        """Learn an attempt, after charging each way for it."""
        if charged and self.total:
            self._charge(item)
        self.ring.add(item)
        self.killed = [kill for kill in self.killed if kill.log > item.log]
        if self.total - self._looked >= min(MAX_STEP, 1 + self.total // STEP_SHARE):
            self.forget()

    def kill(self, item: Seen) -> None:
        """A kill for memory: censored, its need is at least what was given."""
        self._hold(True)
        self.killed = [*self.killed[-7:], item]

    def _hold(self, killed: bool) -> None:
        """Keep the promised chance of a kill: a kill more than foreseen widens the margin at once,
        each success narrows it as much as it was foreseen to (Gibbs and Candes, 2021).
        """
        best = self.best()
        if best is not None:
            surprise = killed - best.outlook.chance_beyond(best.margin)
            caution = self.caution + CAUTION * best.scatter * surprise
            self.caution = float(np.clip(caution, 0.0, MOST_CAUTION))

    def _adapt(self, item: Seen) -> None:
        """Adaptive conformal inference (Gibbs and Candes, 2021): a bound that held is lowered a
        little, one that did not is raised 19 times as much.
        """
        closest = self.closest()
        if closest is None:
            return
        centre = float(closest.fit.centre(_one(item))[0])
        if np.isfinite(centre):
            held = item.log <= centre + self.bound(closest)
            self.level = float(np.clip(self.level + ADAPTING * (BOUND - held), *LEVELS))

    def bound(self, way: Way) -> float:
        """The log error that the next task stays below with a chance of `BOUND`; a hair more, so
        that a need that comes again and again is not above itself by rounding.
        """
        return way.outlook.quantile(self.level) + HAIR

    def forget(self) -> None:
        """Look at the window anew when next asked."""
        self._ways, self._best, self._closest, self._is_fitted = [], None, None, False

    def _charge(self, item: Seen) -> None:
        known, runtime = _one(item), np.array([item.runtime_s])
        need, weights = np.exp([item.log]), self.price.weights(runtime)
        best = self.best()
        if best is None:
            return
        self._hold(False)
        self._adapt(item)
        surprised = item.log > best.fit.centre(known)[0] + best.margin
        reference = 0.0
        centres: dict[int, float] = {}
        for way in self._ways:
            centre = centres.setdefault(id(way.fit), float(way.fit.centre(known)[0]))
            if np.isfinite(centre):
                given = np.exp([centre + way.margin])
                cost = float(charge(given, need, runtime, weights)[0])
                reference = reference or cost
                self.ledger.setdefault(way.name, Account()).book(cost, reference)
        if surprised:
            self.forget()

    def best(self) -> Way | None:
        """The way that would have been the cheapest; ties go to the simplest. None: no data yet."""
        self._fit()
        return self._best

    def _fit(self) -> None:
        if self._is_fitted or not self.total:
            return
        self._ways = ways(self.ring.window(), self.price, self.bases)
        self._best = min(self._ways, key=self._price, default=None)
        tail = bounds_threshold(self.total)
        self._closest = closest([way for way in self._ways if way.threshold == tail])
        self._looked, self._is_fitted = self.total, True

    def closest(self) -> Way | None:
        """The way with the least error in proportion, whatever the error costs: for the bounds."""
        self._fit()
        return self._closest

    def in_turn(self) -> Iterator[Way]:
        """The ways, the cheapest first: where a task is not known well enough for one, the next
        may do.
        """
        self._fit()
        yield from sorted(self._ways, key=self._price)

    def knowing(self, known: Known) -> Way | None:
        """The cheapest way that has an answer for a task."""
        answers = (way for way in self.in_turn() if np.isfinite(way.fit.centre(known)[0]))
        return next(answers, None)

    def _price(self, way: Way) -> float:
        account = self.ledger.get(way.name)
        if account is None or account.reference <= 0:
            return 2 * way.left_out
        return way.left_out + account.own / account.reference

    def prices(self) -> dict[str, float]:
        """What each way would have cost so far, cheapest first."""
        self._fit()
        priced = {way.name: self._price(way) for way in self._ways}
        return dict(sorted(priced.items(), key=lambda pair: pair[1]))

    def least_margin(self, way: Way) -> float:
        """What kills that nothing has contradicted since say of the margin; -inf without them."""
        margins = [kill.log - float(way.fit.centre(_one(kill))[0]) for kill in self.killed]
        return max((margin for margin in margins if np.isfinite(margin)), default=-np.inf)


def _one(item: Seen) -> Known:
    inputs = {name: np.array([value]) for name, value in item.inputs.items()}
    told = (np.array([number]) for number in (item.model, item.asked, item.high))
    return Known(1, inputs, *told)
