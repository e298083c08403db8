"""What ended and is still to be learnt from. A lesson takes milliseconds, for some kinds of job
tens of them: a thousand single jobs that end together must not hold up the pass that sees it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from headgate.usage import Observation
from predictor.features import name_pattern
from queue_broker.core.forecast import Forecaster
from queue_broker.core.pace import unhurried
from queue_broker.core.predict import Modes, mode_of

#: Kills for memory that a pass learns itself: by them it estimates anew what else of a sweep waits.
AT_ONCE = 8
#: Of one kind of job so many wait at most, of all together so many; others are left out, since the
#: lake has them for the next training. More of a kind teach little more.
MOST_OF_A_KIND, MOST = 16, 2_000
#: What one run of the loop takes: it looks again at what waits, and whether it shall stop.
A_RUN = 4


@dataclass(slots=True)
class Lessons:
    """A queue from the cycle's thread to one that learns beside it."""

    forecaster: Forecaster
    modes: Modes
    waiting: deque[Observation] = field(default_factory=deque)
    _kinds: Counter[str] = field(default_factory=Counter)  #: how many wait, by kind of job
    _lock: Lock = field(default_factory=Lock)

    def put(self, ended: Sequence[Observation]) -> None:
        """Learn from the first kills for memory; what else is told waits for `run`."""
        kills = [one for one in ended if one.memory_is_censored][:AT_ONCE]
        known = {id(one) for one in kills}
        with self._lock:
            for one in ended:
                if id(one) not in known:
                    self._keep(one)
        self.forecaster.observe(kills)

    def run(self) -> bool:
        """Learn some, the oldest first and with rests, since the cycle needs the interpreter too;
        whether more wait."""
        with self._lock:
            some = [self._next() for _ in range(min(A_RUN, len(self.waiting)))]
        for one in unhurried(some):
            self.forecaster.observe([one])
            self._ask_about(one)
        return bool(self.waiting)

    def _ask_about(self, one: Observation) -> None:
        """What is found of its families when they are first asked is found here: a pass that
        estimates jobs of hundreds of kinds would find it out for all of them at once."""
        self.forecaster.estimate([one.job], [mode_of(self.modes(), one.job.tier or "")])

    def _keep(self, one: Observation) -> None:
        kind = name_pattern(one.job.name)
        if self._kinds[kind] < MOST_OF_A_KIND and len(self.waiting) < MOST:
            self._kinds[kind] += 1
            self.waiting.append(one)

    def _next(self) -> Observation:
        one = self.waiting.popleft()
        kind = name_pattern(one.job.name)
        self._kinds[kind] -= 1
        if not self._kinds[kind]:
            del self._kinds[kind]
        return one
