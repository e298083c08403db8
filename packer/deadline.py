"""How much time is left."""

from __future__ import annotations

import time


class Deadline:
    """A point in time, `seconds` from now on."""

    def __init__(self, seconds: float) -> None:
        self.started = time.perf_counter()
        self.seconds = seconds

    def used(self) -> float:
        return time.perf_counter() - self.started

    def left(self) -> float:
        return max(0.0, self.seconds - self.used())

    def over(self) -> bool:
        return self.left() <= 0.0
