"""What the dashboard reads: the insights, and a scoreboard that follows the attempts that ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from headgate.errors import BadArtifact
from queue_broker.core.scoreboard import Scoreboard

if TYPE_CHECKING:
    from headgate.views import Training
    from queue_broker.core.forecast import Forecaster
    from queue_broker.core.insights import Insights
    from queue_broker.ports import Clock
    from queue_broker.records import Lane

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Attempts read in one go. Small, so that a page is never kept waiting for long.
BATCH = 4_000
#: How long one visit may spend on catching up; a million attempts take a few dozen visits.
CATCH_UP_S = 0.4


@dataclass(slots=True)
class Board:
    """One for each broker. Safe to use from several threads."""

    insights: Insights
    forecaster: Forecaster
    clock: Clock
    scoreboard: Scoreboard = field(default_factory=Scoreboard)
    behind: bool = True  #: whether there may be attempts that the scoreboard has not counted
    _cursor: int = 0
    _cards: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def follow(self, budget_s: float = CATCH_UP_S) -> None:
        """Count what ended since the last visit: one batch at least, then for about `budget_s`.

        Where another visit counts already, this one shows what there is.
        """
        if not self._lock.acquire(blocking=False):
            return
        try:
            until_s = time.monotonic() + budget_s
            lanes = self.insights.engine.lanes()
            while self._count_batch(lanes) and time.monotonic() < until_s:
                pass
        finally:
            self._lock.release()

    def _count_batch(self, lanes: Sequence[Lane]) -> bool:
        """Whether there may be more."""
        observations, self._cursor = self.insights.store.observations(self._cursor, BATCH)
        self.scoreboard.add(observations, lanes)
        self.behind = len(observations) >= BATCH
        return self.behind

    def look(self, at: Callable[[Scoreboard], T]) -> T:
        """What `at` makes of the scoreboard while nobody changes it."""
        with self._lock:
            return at(self.scoreboard)

    def card(self) -> Mapping[str, Any]:
        """What the model in use says of itself; empty where there is none, or it cannot be read."""
        version = self.forecaster.version
        if version is None:
            return {}
        if version not in self._cards:
            self._cards = {version: self._read_card(version)}
        return self._cards[version]

    def trainings(self) -> Sequence[Training]:
        """What the trainings came to, newest first; none where that cannot be read."""
        try:
            return self.insights.registry.trainings()
        except BadArtifact as error:
            log.warning("the trainings are not shown: %s", error)
            return ()

    def _read_card(self, version: str) -> Mapping[str, Any]:
        try:
            model = self.insights.registry.load(version)
        except BadArtifact as error:  # it spoke when it was loaded; since then its files were hurt
            log.warning("no card of model %s: %s", version, error)
            return {}
        return model.card if model else {}
