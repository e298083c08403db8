"""What a broker learns while another leads: the attempts that end there are in the store alone.

Without it a follower would answer what it knew at its start, and a new leader would begin there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

from queue_broker.core.forecast import Forecaster
from queue_broker.ports import Reader

#: Of one look the latest so many batches, and of each so many attempts: more teach no more, and a
#: sweep's end must not cost followers what it costs the leader.
MOST_BATCHES = 50
MOST_LEARNT = 16


@dataclass(slots=True)
class Following:
    """Learns from a cursor on, while there is one. A leader hears of ends by itself, and has none;
    the lock keeps a look that is under way from learning anew what the leader has just learnt."""

    store: Reader
    forecaster: Forecaster
    cursor: int | None = None
    _lock: Lock = field(default_factory=Lock)

    def begin(self) -> None:
        """From now on; what was before is in the lake."""
        with self._lock:
            self.cursor = self.store.lessons(None, 0, 0)[1]

    def end(self) -> None:
        """A last look: this broker leads from here on."""
        with self._lock:
            self._look()
            self.cursor = None

    def run(self) -> bool:
        """One bounded look."""
        with self._lock:
            self._look()
        return False

    def _look(self) -> None:
        if self.cursor is None:
            return
        lessons, self.cursor = self.store.lessons(self.cursor, MOST_BATCHES, MOST_LEARNT)
        if lessons:
            self.forecaster.observe(lessons)
