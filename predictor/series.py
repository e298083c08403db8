"""One quantity of one family: its recent past, a bound that keeps its promise, and a choice among
ways of foretelling it for each price of a lost attempt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from predictor.bases import HIGH
from predictor.choice import Choice
from predictor.kin import Kin, plain
from predictor.model import Model, high_of
from predictor.risk import Price, Vector
from predictor.ways import ONE, Tail, Way, bounds_threshold, closest, doubt, tails
from predictor.window import Known, Ring, Seen

#: How sure the published bound is meant to be; by how much its level follows each task that it
#: held for or not, and how far.
BOUND, ADAPTING, LEVELS = 0.95, 0.02, (0.9, 0.99)
#: A bound is this much higher, in log, against rounding.
HAIR = 1e-9
#: A kill that was not foreseen widens the margin by this part of the errors' scatter.
#: It is at most a doubling, as of a retry that knows nothing.
CAUTION, MOST_CAUTION = 0.2, float(np.log(2.0))
#: Of kills among tasks that ran side by side so many widen the margin.
MOST_ALARMS = 8
#: The window is looked at anew after so many attempts: at first each time, at last every
#: `MAX_STEP`.
STEP_SHARE, MAX_STEP = 16, 64


@dataclass(slots=True)
class Series:
    """The recent values of one quantity in one family, and a choice for each price of a lost
    attempt, the cheapest first.
    """

    choices: Sequence[Choice]
    bases: frozenset[str] | None = None  #: None: all of them
    ring: Ring = field(default_factory=Ring)
    killed: list[Seen] = field(default_factory=list)
    level: float = BOUND  #: the quantile that, of late, held as often as `BOUND` promises
    caution: float = 0.0  #: what kills beyond those foreseen add to the log of what is given
    models: int = 0  #: as of `Families`: the last model that it heard
    _tails: list[Tail] = field(default_factory=list)
    _closest: list[Tail] = field(default_factory=list)  #: as `closest_in_turn`
    _own_bound: list[Tail] = field(default_factory=list)  #: as `own_bound`
    _alarmed_s: float = -np.inf  #: when the first was killed of those that ran side by side
    _alarms: int = 0  #: how many of them were
    _usual: float = 0.0  #: the mean of the window
    _is_fitted: bool = False
    _looked: int = 0

    @classmethod
    def at(cls, prices: Sequence[Price], bases: frozenset[str] | None = None) -> Self:
        return cls([Choice(price) for price in prices], bases)

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
        """A kill for memory: censored, its need is at least what was given. Of those that had been
        started before the first of them was heard of, hundreds tell no more than a few do.
        """
        if item.at_s - item.runtime_s > self._alarmed_s:
            self._alarmed_s, self._alarms = item.at_s, 0
        self._alarms += 1
        if self._alarms <= MOST_ALARMS:
            self._hold(item, killed=True)
        self.killed = [*self.killed[-7:], item]

    def _hold(self, item: Seen, killed: bool = False) -> None:
        """Keep the promised chance of a kill: a kill more than foreseen widens the margin at once,
        each success narrows it as much as it was foreseen to (Gibbs and Candes, 2021). Foreseen is
        what the lowest price allows, since nobody says at which one a task was sized. Tasks that
        are small beside the others of their family count for less: what kills them says little of
        those, and a margin in proportion would cost them much.
        """
        best = self.choice().best
        if best is not None:
            lost = self._still_killed(best, item) if killed else 0.0
            surprise = lost - best.outlook.chance_beyond(best.given)
            part = min(1.0, float(np.exp(item.log)) / self._usual)
            caution = self.caution + CAUTION * best.fit.scatter * surprise * part
            self.caution = float(np.clip(caution, 0.0, MOST_CAUTION))

    def _still_killed(self, best: Way, kill: Seen) -> float:
        """The chance that a task which was killed would be killed if it were sized now: of many
        that were sized before any of them had ended only the first kills are news.
        """
        centre = float(best.fit.centre(_one(kill))[0])
        given = best.given + self.caution
        if not np.isfinite(centre) or centre + given <= kill.log:
            return 1.0
        left = best.outlook.beyond(kill.log - centre)
        return left.chance_beyond(given) if left else 1.0

    def _adapt(self, item: Seen) -> None:
        """Adaptive conformal inference (Gibbs and Candes, 2021): a bound that held is lowered a
        little, one that did not is raised 19 times as much.
        """
        stating = next(iter([*self.own_bound(), *self.closest_in_turn()]), None)
        if stating is None:
            return
        centre = float(stating.fit.centre(_one(item))[0])
        if np.isfinite(centre):
            held = item.log <= centre + self.bound(stating)
            self.level = float(np.clip(self.level + ADAPTING * (BOUND - held), *LEVELS))

    def bound(self, tail: Tail) -> float:
        """The log error that the next task stays below with a chance of `BOUND`; a hair more, so
        that a need that comes again and again is not above itself by rounding.
        """
        return tail.outlook.quantile(self.level) + HAIR

    def forget(self) -> None:
        """Look at the window anew when next asked."""
        self._tails, self._closest, self._own_bound, self._is_fitted = [], [], [], False
        for choice in self.choices:
            choice.forget()

    def hear(self, model: Model | None, target: str) -> None:
        """What another model foretold of what is remembered, where it was left out of its
        training.
        """
        for item in self.ring.seen:
            item.model = model.said(target, item.at_s) if model else np.nan
            item.high = model.said(high_of(target), item.at_s) if model else np.nan
        self.rest()

    def rest(self) -> None:
        """Keep nothing that can be found again."""
        self.forget()
        self.ring.built = None

    def _charge(self, item: Seen) -> None:
        self._fit()
        self._hold(item)
        self._adapt(item)
        known = _one(item)
        fits = {id(tail.fit): tail.fit for tail in self._tails}
        centres = {key: float(fit.centre(known)[0]) for key, fit in fits.items()}
        surprised = [choice.charge(item, centres) for choice in self.choices]
        if surprised[0]:  # the lowest price has the least to spare
            self.forget()

    def choice(self, weight: float = 0.0) -> Choice:
        """The choice at a price of a lost attempt; at the lowest where none is asked for, or where
        one is for all.
        """
        self._fit()
        return next((one for one in self.choices if one.price.weight == weight), self.choices[0])

    def _fit(self) -> None:
        if self._is_fitted or not self.total:
            return
        window = self.ring.window()
        self._tails = tails(window, self.bases)
        for choice in self.choices:
            choice.fit(window, self._tails)
        self._usual = float(np.exp(window.logs).mean())
        threshold = bounds_threshold(self.total)
        self._closest = closest_first(self._tails, threshold)
        self._own_bound = own_bound(self._tails, self._closest, threshold)
        self._looked, self._is_fitted = self.total, True

    def closest(self) -> Tail | None:
        """The tail with the least error in proportion, whatever the error costs: for the bounds."""
        return next(iter(self.closest_in_turn()), None)

    def closest_in_turn(self) -> list[Tail]:
        """The closest; and the model, for tasks that it has no answer for."""
        self._fit()
        return self._closest

    def own_bound(self) -> list[Tail]:
        """The model's own bound, if it states the family's; where it has no answer, the closest."""
        self._fit()
        return self._own_bound

    def least_margin(self, way: Way) -> float:
        """What kills that nothing has contradicted since say of the margin; -inf without them."""
        margins = [kill.log - float(way.fit.centre(_one(kill))[0]) for kill in self.killed]
        return max((margin for margin in margins if np.isfinite(margin)), default=-np.inf)


def closest_first(tried: Sequence[Tail], threshold: float) -> list[Tail]:
    """Of those with one threshold, the closest, if there is any; then the model."""
    alike = [one for one in tried if one.threshold == threshold]
    best = closest(alike)
    if best is None:
        return []
    return [best, *(one for one in alike if one.is_model and one.fit.base == "model")]


def own_bound(tried: Sequence[Tail], closest: Sequence[Tail], threshold: float) -> list[Tail]:
    """The model's own bound, of those with one threshold; none where the closest bounds better, by
    a standard error.
    """
    alike = (one for one in tried if one.threshold == threshold)
    own = [one for one in alike if one.is_model and one.fit.base == HIGH]
    if not own:
        return []
    gaps = bound_losses(closest[0]) - bound_losses(own[0])
    gaps = gaps[np.isfinite(gaps)]
    return own if len(gaps) and gaps.mean() + doubt(gaps, ONE) >= 0 else []


def bound_losses(tail: Tail) -> Vector:
    """What its bound lost on each attempt of the window, NaN where it had none: the proper score of
    a quantile, in log (Koenker and Bassett, 1978).
    """
    beyond = tail.fit.errors - tail.outlook.quantile(BOUND)
    return np.maximum(BOUND * beyond, (BOUND - 1) * beyond)


def _one(item: Seen) -> Known:
    inputs = {name: np.array([value]) for name, value in plain(item.inputs).items()}
    told = (np.array([number]) for number in (item.model, item.asked, item.high))
    return Known(1, inputs, *told, kin=[Kin.of([item.inputs])])
