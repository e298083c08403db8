"""One quantity of one family: its recent past, and the way of foretelling it that would have paid.

Each way (a base with a tail) is charged what it would have cost. Twice: on the window, each task
left out in turn, which learns fast; and in a ledger of what it did cost on each attempt before that
attempt was learnt (Dawid's prequential principle, 1984), which notices drift. The cheapest speaks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from predictor.bases import Fit, fits
from predictor.risk import Outlook, Vector, charge, outlook
from predictor.window import Known, Ring, Seen, Window

#: Where the smooth tail takes over from the errors as they were seen.
THRESHOLDS = (0.5, 0.8, 0.92, 0.98)
#: The tail that bounds are read from.
BOUNDS_THRESHOLD = 0.92
#: So many errors are half believed about the median.
FEW = 10
#: So many errors must lie in a tail for it to be told from the widest.
SEEN_IN_TAIL = 4
#: A family's own fit must beat the model by this factor to set the bounds.
NEAR_TIE = 1.25
#: An attempt counts this much less with each later one: on the window, and in the ledger.
FADING, LEDGER_FADING = 0.99, 0.9
#: The window is looked at anew after so many attempts: at first each time, at last every
#: `MAX_STEP`.
STEP_SHARE, MAX_STEP = 16, 64


@dataclass(frozen=True, slots=True)
class Way:
    """A fitted base with the outlook on its errors: everything needed to size a task."""

    fit: Fit
    threshold: float
    outlook: Outlook
    margin: float
    left_out: float
    count: int

    @property
    def name(self) -> str:
        return f"{self.fit.base}/{self.threshold}"

    @property
    def middle(self) -> float:
        """The log error in the median; few errors say little of it, and are held towards none."""
        return float(np.nanmedian(self.fit.errors)) * self.count / (self.count + FEW)


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

    failure_weight: float
    bases: frozenset[str] | None = None  #: None: all of them
    ring: Ring = field(default_factory=Ring)
    ledger: dict[str, Account] = field(default_factory=dict)
    killed: list[Seen] = field(default_factory=list)
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
        self.killed = [*self.killed[-7:], item]

    def forget(self) -> None:
        """Look at the window anew when next asked."""
        self._ways, self._best, self._closest, self._is_fitted = [], None, None, False

    def _charge(self, item: Seen) -> None:
        known, runtime = _one(item), np.array([item.runtime_s])
        need = np.exp([item.log])
        best = self.best()
        if best is None:
            return
        surprised = item.log > best.fit.centre(known)[0] + best.margin
        reference = 0.0
        centres: dict[int, float] = {}
        for way in self._ways:
            centre = centres.setdefault(id(way.fit), float(way.fit.centre(known)[0]))
            if np.isfinite(centre):
                given = np.exp([centre + way.margin])
                cost = float(charge(given, need, runtime, self.failure_weight)[0])
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
        self._ways = ways(self.ring.window(), self.failure_weight, self.bases)
        self._best = min(self._ways, key=self._price, default=None)
        tail = bounds_threshold(self.total)
        bounding = [way for way in self._ways if way.threshold == tail]
        self._closest = min(bounding, key=_distance, default=None)
        self._looked, self._is_fitted = self.total, True

    def closest(self) -> Way | None:
        """The way with the least error in proportion, whatever the error costs: for the bounds."""
        self._fit()
        return self._closest

    def simplest(self) -> Way | None:
        """The way that needs nothing to be known of a task."""
        self._fit()
        return self._ways[0] if self._ways else None

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


def bounds_threshold(count: int) -> float:
    """The highest tail, up to `BOUNDS_THRESHOLD`, that a few errors have been seen in."""
    told = [one for one in THRESHOLDS if count * (1 - one) >= SEEN_IN_TAIL]
    return min(BOUNDS_THRESHOLD, max(told, default=THRESHOLDS[0]))


def _distance(way: Way) -> float:
    """The error in proportion; the model has seen more than this family, so near ties are its
    own.
    """
    return way.fit.spread * (1.0 if way.fit.base == "model" else NEAR_TIE)


def ways(window: Window, failure_weight: float, bases: frozenset[str] | None = None) -> list[Way]:
    """Every base with every tail, the simplest first; `left_out` costs are relative to the
    first's.
    """
    made: list[Way] = []
    fading = FADING ** np.arange(len(window))[::-1]
    reference = np.ones(len(window))
    for fit in fits(window):
        if bases is not None and fit.base not in bases:
            continue
        there = np.isfinite(fit.errors)
        ordered = np.sort(fit.errors[there])
        for threshold in THRESHOLDS:
            outcome = outlook(ordered, threshold)
            margin = outcome.cheapest(failure_weight)
            costs = _left_out(window, fit.errors, margin, failure_weight) * fading
            if not made:
                reference = np.maximum(costs, 1e-9 * costs.sum() + 1e-300)
            relative = float(costs[there].sum() / reference[there].sum())
            made.append(Way(fit, threshold, outcome, margin, relative, len(ordered)))
    return made


def _left_out(window: Window, errors: Vector, margin: float, failure_weight: float) -> Vector:
    given = np.exp(window.logs - errors + margin)
    return charge(given, np.exp(window.logs), window.runtime_s, failure_weight)


def _one(item: Seen) -> Known:
    inputs = {name: np.array([value]) for name, value in item.inputs.items()}
    return Known(1, inputs, np.array([item.model]), np.array([item.asked]))
