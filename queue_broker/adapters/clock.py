"""A clock that the whole broker reckons by, and that does not jump."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Lock

from queue_broker.ports import Clock

#: How much faster or slower than time it may go, until it tells what the machine's clock does.
SLEW = 0.1
#: Set forward by more than this, the machine's clock was none before (it began in 1970): to follow
#: it would take years, and it is told as it is.
FAR_S = 86_400.0


def uptime() -> float:
    """Seconds that pass whatever the machine's clock is set to, its sleep among them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(slots=True)
class SteadyClock:
    """Seconds since 1970. A machine's clock that is set is followed by a tenth of what passes: set
    back by an hour, whatever is due would be an hour late; set forward, tasks would have run out of
    time, and starts have come too late.
    """

    wall: Clock = time.time
    uptime: Clock = uptime
    _now_s: float = field(init=False)
    _up_s: float = field(init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def __post_init__(self) -> None:
        self._now_s, self._up_s = self.wall(), self.uptime()

    def __call__(self) -> float:
        with self._lock:
            up_s = self.uptime()
            passed_s, self._up_s = up_s - self._up_s, up_s
            behind_s = self.wall() - self._now_s - passed_s
            most_s = SLEW * passed_s
            followed_s = max(-most_s, min(most_s, behind_s))
            self._now_s += passed_s + (behind_s if behind_s > FAR_S else followed_s)
            return self._now_s


def wall_of(clock: Clock) -> Clock:
    """The clock as it is set, for what others tell the time of."""
    return clock.wall if isinstance(clock, SteadyClock) else clock
