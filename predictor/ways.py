"""Ways of sizing a task: a base with a tail, what each would have cost, and when to believe it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from predictor.bases import BY_CHANCE, HIGH, MIN_FIT, Fit, fits
from predictor.risk import Outlook, Price, Vector, charge, outlook, tail_from
from predictor.window import Known, Window

#: Where the smooth tail takes over from the errors as they were seen.
THRESHOLDS = (0.5, 0.8, 0.92, 0.98)
#: So many errors are half believed about the median.
FEW = 10
#: So many errors must lie in a tail for it to be told from the widest.
SEEN_IN_TAIL = 4
#: The normal quantile of the chance (1 %) that the model is thrown over for no reason.
SURE = 2.33
#: Costs come from few kills, so one standard error must do there (Breiman's rule, 1984).
ONE = 1.0
#: What the model foretells itself.
MODELS = ("model", HIGH)
#: A model that was left out of fewer attempts is a way like any other.
ENOUGH = 30
#: A bound on the odds of two ways (in log), for the sake of arithmetic.
MOST_POWER = 500.0
#: An attempt of the window counts this much less with each later one.
FADING = 0.99


@dataclass(frozen=True)
class Tail:
    """A fitted base with the outlook on its errors, of which so many are known."""

    fit: Fit
    threshold: float
    outlook: Outlook
    count: int

    @classmethod
    def of(cls, fit: Fit, threshold: float) -> Tail:
        ordered = np.sort(fit.errors[np.isfinite(fit.errors)])
        return cls(fit, threshold, outlook(ordered, threshold), len(ordered))

    @property
    def name(self) -> str:
        return f"{self.fit.base}/{self.threshold}"

    @property
    def is_model(self) -> bool:
        """Whether it is the model, left out of enough attempts to be more than a way like any."""
        return self.fit.base in MODELS and self.count >= ENOUGH

    @property
    def middle(self) -> float:
        """The log error in the median; few errors say little of it, and are held towards none."""
        return self.fit.middle * self.count / (self.count + FEW)


@dataclass(frozen=True)
class Way(Tail):
    """Everything needed to size a task at one price of a lost attempt: the margin, the price's
    weight for such tasks, and what it would have cost on those left out.
    """

    margin: float
    weight: float
    left_out: float
    runtime_s: Vector | None  #: of the window; None where too little loses no attempt

    @cached_property
    def given(self) -> float:
        """The margin that a task is given. Where what needs much runs for long as well, too little
        costs more than it happens: then it is the cheapest by the time that tasks run. Of few in
        the tail that is half believed.
        """
        if self.runtime_s is None:
            return self.margin
        there = np.isfinite(self.fit.errors)
        ordered = self.runtime_s[there][np.argsort(self.fit.errors[there], kind="stable")]
        if not rises(ordered):
            return self.margin
        split, usual = tail_from(self.count, self.threshold), float(ordered.mean())
        chances = self.outlook.chances.copy()
        for own, part in ((slice(split), ordered[:split]), (slice(split, None), ordered[split:])):
            chances[own] *= (part.sum() / usual + FEW) / (len(part) + FEW)
        by_time = Outlook(self.outlook.points, chances / chances.sum())
        return max(self.margin, by_time.cheapest(self.weight))

    @cached_property
    def promise(self) -> float:
        """The cost that it expects of a task, in proportion to the expected need."""
        return self.outlook.least_charge(self.weight)


def rises(values: Vector) -> bool:
    """Whether numbers grow with their place, more than chance lets them."""
    count = len(values)
    if count < MIN_FIT:
        return False
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable") - (count - 1) / 2
    places = np.arange(count) - (count - 1) / 2
    least = float(np.sqrt(2 * np.log(1 / BY_CHANCE) / count))
    return float(ranks @ places / (places @ places)) > least


def bounds_threshold(count: int) -> float:
    """The highest tail that a few errors have been seen in."""
    told = [one for one in THRESHOLDS if count * (1 - one) >= SEEN_IN_TAIL]
    return max(told, default=THRESHOLDS[0])


def closest(tried: Sequence[Tail]) -> Tail | None:
    """The tail with the least error in proportion, on the attempts that it and the model have an
    answer for; other than the model only beyond doubt. Without a model the median takes its place,
    with no such privilege.
    """
    model = next((way for way in tried if way.fit.base == "model"), None)

    def distance(way: Tail) -> float:
        gaps = np.abs(way.fit.errors) - np.abs((model or tried[0]).fit.errors)
        if not np.isfinite(gaps).any():
            return np.inf
        return float(np.nanmean(gaps)) + (doubt(gaps) if model and way is not model else 0.0)

    return min(tried, key=distance, default=None)


def doubt(gaps: Vector, sure: float = SURE) -> float:
    """How far the mean of some paired differences may be from the truth: `sure` standard errors,
    and for few of them Student's, to the first order (Cornish and Fisher, 1937).
    """
    there = gaps[np.isfinite(gaps)]
    if len(there) < 2:
        return np.inf
    student = sure + (sure**3 + sure) / (4 * (len(there) - 1))
    return student * float(there.std(ddof=1)) / float(np.sqrt(len(there)))


def tails(window: Window, bases: frozenset[str] | None = None) -> list[Tail]:
    """Every base with every tail, the simplest first."""
    allowed = (fit for fit in fits(window) if bases is None or fit.base in bases)
    return [Tail.of(fit, threshold) for fit in allowed for threshold in THRESHOLDS]


def ways(window: Window, tried: Sequence[Tail], price: Price) -> list[Way]:
    """The tails at a price, in the same order; `left_out` costs are relative to the first's."""
    if not tried:
        return []
    terms = Terms.of(window, price)
    trials = [Trial.of(window, tail, terms) for tail in tried]
    first = trials[0]
    scale = np.maximum(first.costs, 1e-9 * np.nansum(first.costs) + 1e-300)
    default = min(plain(trials), key=lambda one: one.relative(scale))
    clock = window.runtime_s if price.lost_s else None
    return [trial.judged(scale, default, clock) for trial in trials]


def plain(trials: Sequence[Trial]) -> Sequence[Trial]:
    """Those that are believed without proof: the model's bound, which has learnt from all families
    where errors are wide, while a window holds few kills; else the model; else the family's median.
    """
    of_model = {one.tail.fit.base: one.tail.fit for one in trials if one.tail.is_model}
    believed = of_model.get(HIGH) or of_model.get("model") or trials[0].tail.fit
    return [one for one in trials if one.tail.fit is believed]


@dataclass(frozen=True, slots=True)
class Terms:
    """What every trial on a window is charged by, found once."""

    needs: Vector
    weights: Vector
    weight: float
    fading: Vector

    @classmethod
    def of(cls, window: Window, price: Price) -> Self:
        weights = price.weights(window.runtime_s)
        fading: Vector = np.power(FADING, np.arange(len(window))[::-1].astype(np.float64))
        return cls(np.exp(window.logs), weights, float(np.median(weights)), fading)


@dataclass(frozen=True, slots=True)
class Trial:
    """A base with a tail, and what it would have cost on each attempt of the window."""

    tail: Tail
    margin: float
    weight: float
    costs: Vector

    @classmethod
    def of(cls, window: Window, tail: Tail, terms: Terms) -> Self:
        margin = tail.outlook.cheapest(terms.weight)
        given = np.exp(window.logs - tail.fit.errors + margin)
        costs = charge(given, terms.needs, window.runtime_s, terms.weights) * terms.fading
        return cls(tail, margin, terms.weight, costs)

    def relative(self, scale: Vector) -> float:
        there = np.isfinite(self.costs)
        return float(self.costs[there].sum() / scale[there].sum())

    def judged(self, scale: Vector, default: Trial, runtime_s: Vector | None) -> Way:
        """What it cost, and the doubt about being cheaper than the default on top."""
        cost, tail = self.relative(scale), self.tail
        if tail.fit is not default.tail.fit:
            cost += doubt(self.costs - default.costs, ONE) / float(scale.mean())
        known = (tail.fit, tail.threshold, tail.outlook, tail.count)
        return Way(*known, self.margin, self.weight, cost, runtime_s)


def outlook_beyond(ways: Sequence[Way], known: Known, log: float) -> Outlook | None:
    """What one task may need (in log), now that it is known to need more than `log`: what all ways
    say, each as far as its own past and this surprise speak for it (Bayes). None where none of them
    thought it possible. `ways` begin with the one to compare with.

    The way by which the task was sized may just have been refuted: of an error that it hardly ever
    made it knows least.
    """
    needs = [way.outlook.points + float(way.fit.centre(known)[0]) for way in ways]
    odds = [way.outlook.chances * likelihood(way, ways[0]) for way in ways]
    points, chances = np.concatenate(needs), np.concatenate(odds)
    order = np.argsort(points, kind="stable")
    return Outlook(points[order], chances[order]).beyond(log)


def likelihood(way: Tail, other: Tail) -> float:
    """How much better the errors of a way explain what both have an answer for than another's do,
    each by Laplace's law of its own width. Tasks of one batch err alike, so that n of them tell as
    much as the square root of n.
    """
    shared = np.isfinite(way.fit.errors) & np.isfinite(other.fit.errors)
    if not shared.any():
        return 0.0
    own, others = (_width(tail.fit.errors[shared]) for tail in (way, other))
    power = np.sqrt(shared.sum()) * np.log(others / own)
    return float(np.exp(np.clip(power, -MOST_POWER, MOST_POWER)))


def _width(errors: Vector) -> float:
    return max(float(np.abs(errors - np.median(errors)).mean()), 1e-6)
