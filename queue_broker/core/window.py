"""The leak window: how much predicted work may sit in a lane ahead of a newcomer. Pure.

Additive increase, multiplicative decrease (Chiu and Jain, 1989) on the measured start delay: a
lane that
starts what it gets within the promise is given a little more next time, one that does not is given
half.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Window:
    """`limit_s`: predicted seconds of work that may wait in the lane, for each instance."""

    limit_s: float = 30.0
    floor_s: float = 1.0
    ceiling_s: float = 600.0

    def after_start(self, delay_s: float, promise_s: float) -> Window:
        """The window after a task of the lane took `delay_s` from hand-over to start."""
        if delay_s > promise_s:
            return replace(self, limit_s=max(self.floor_s, self.limit_s / 2))
        return replace(self, limit_s=min(self.ceiling_s, self.limit_s + promise_s / 20))

    def room_s(self, waiting_s: float, instances: int) -> float:
        """Predicted seconds that may still be added, given what waits there now."""
        return max(0.0, self.limit_s * max(1, instances) - waiting_s)
