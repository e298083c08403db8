"""The leak window: how much predicted work may wait in a lane ahead of a newcomer. Pure.

Additive increase, multiplicative decrease (Chiu and Jain, 1989) on the measured start delay: a lane
that starts what it gets well within the promise is given a little more next time, one that does not
is given half. What an idle lane needs to start a task anyway (the container, the instance) is not
queueing, so the least delay seen lately is taken off first, as LEDBAT (RFC 6817) does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from headgate.record import record

Floats = npt.NDArray[np.float64]

#: A lane's queue is filled up when it has drained to this part: fewer leaks, each larger, and the
#: lane never runs dry for it.
DRAINED = 0.5


@record(frozen=True, slots=True)
class Window:
    """`limit_s`: predicted seconds that the lane needs for what waits in it."""

    limit_s: float = 5.0
    floor_s: float = 1.0
    ceiling_s: float = 60.0
    base_s: float | None = None  #: the least start delay seen lately

    def after_starts(self, delays_s: Sequence[float], promise_s: float) -> Window:
        """The window after one pass's starts, `delays_s` from hand-over to start.

        One step a pass, whatever the number of starts: they all tell of the same queue. The base
        forgets by a hundredth a pass, so that a lane that became slower is believed in the end.
        """
        if not delays_s:
            return self
        least_s = max(0.0, min(delays_s))  # less than none is two clocks' difference
        base_s = least_s if self.base_s is None else min(least_s, self.base_s * 1.01)
        queueing_s = max(delays_s) - base_s
        if queueing_s > promise_s:
            limit_s = self.limit_s / 2
        else:
            limit_s = min(self.ceiling_s, promise_s, self.limit_s + promise_s / 20)
        return Window(max(self.floor_s, limit_s), self.floor_s, self.ceiling_s, base_s)

    def within(self, most_s: float | None) -> Window:
        """The same window, no wider than somebody set it."""
        return self if most_s is None else replace(self, limit_s=min(self.limit_s, most_s))


#: What a lane begins with.
FIRST = Window()


def room_s(limit_s: Floats, waiting_s: Floats) -> Floats:
    """Predicted seconds that may be added to each lane, given what waits there now: none until it
    has drained, so that a leak is a part of the window worth a call."""
    return np.where(waiting_s <= limit_s * DRAINED, limit_s - waiting_s, 0.0)
