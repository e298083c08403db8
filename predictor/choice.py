"""The way of sizing a family's tasks that would have paid, at one price of a lost attempt.

Each way (a base with a tail) is charged what it would have cost. Twice: on the window, each task
left out in turn, which learns fast; and in a ledger of what it did cost on each attempt before that
attempt was learnt (Dawid's prequential principle, 1984), which notices drift. The cheapest speaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from predictor.risk import Price, charge
from predictor.ways import Tail, Way, ways
from predictor.window import Seen, Window

#: An attempt of the ledger counts this much less with each later one.
LEDGER_FADING = 0.9
#: The dearer a lost attempt, the fewer are lost: the few attempts of the ledger show so many parts
#: of it. Taken for the whole, they would speak for the ways with the least to spare.
SHOWS = 4.0


@dataclass(slots=True)
class Account:
    """What a way has cost of late, and what the median of the past cost on the same attempts."""

    own: float = 0.0
    reference: float = 0.0

    def book(self, own: float, reference: float) -> None:
        self.own = LEDGER_FADING * self.own + own
        self.reference = LEDGER_FADING * self.reference + reference


@dataclass(slots=True)
class Choice:
    """The ways of a family at one price of a lost attempt. `best` is the cheapest so far, of equals
    the simplest; None: no data yet.
    """

    price: Price
    ledger: dict[str, Account] = field(default_factory=dict)
    ways: list[Way] = field(default_factory=list)
    best: Way | None = None
    _turns: list[Way] = field(default_factory=list)  #: as `in_turn`, until the prices change

    def forget(self) -> None:
        """The window has changed."""
        self.ways, self.best, self._turns = [], None, []

    def fit(self, window: Window, tried: Sequence[Tail]) -> None:
        """Look at a window anew."""
        self.ways = ways(window, tried, self.price)
        self.best = min(self.ways, key=self._price, default=None)
        self._turns = []

    def charge(self, item: Seen, centres: Mapping[int, float]) -> bool:
        """Book what each way would have cost; whether the best would have given too little."""
        need, runtime = np.exp([item.log]), np.array([item.runtime_s])
        told = [(way, centres[id(way.fit)] + way.margin) for way in self.ways]
        told = [(way, log) for way, log in told if np.isfinite(log)]
        given = np.exp([log for _, log in told])
        costs = charge(given, need, runtime, self.price.weights(runtime)).tolist()
        reference, self._turns = 0.0, []
        for (way, _), cost in zip(told, costs, strict=True):
            reference = reference or cost
            self.ledger.setdefault(way.name, Account()).book(cost, reference)
        return any(way is self.best and item.log > log for way, log in told)

    def in_turn(self) -> list[Way]:
        """The ways as they may speak: the best; for a task that is not known well enough for it,
        the model, which learns from tasks that less is known of; then the cheapest.
        """

        def turn(way: Way) -> tuple[bool, bool, float]:
            return way is not self.best, not way.is_model, self._price(way)

        self._turns = self._turns or sorted(self.ways, key=turn)
        return self._turns

    def prices(self) -> dict[str, float]:
        """What each way would have cost so far, cheapest first."""
        priced = {way.name: self._price(way) for way in self.ways}
        return dict(sorted(priced.items(), key=lambda pair: pair[1]))

    def _price(self, way: Way) -> float:
        account = self.ledger.get(way.name)
        if account is None or account.reference <= 0:
            return 2 * way.left_out
        told = min(1.0, SHOWS / (1 + self.price.weight))
        return (2 - told) * way.left_out + told * account.own / account.reference
