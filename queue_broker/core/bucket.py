"""The token bucket that all SubmitJob calls share: 50 a second in a Region. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """At most `rate` calls a second in the long run, `burst` at once."""

    rate: float = 50.0
    burst: float = 50.0
    taken: float = 0.0  #: of the burst, and not refilled yet
    at_s: float = 0.0

    def left(self, now_s: float) -> int:
        """Whole calls that may be made now."""
        passed_s = max(0.0, now_s - self.at_s)
        self.taken = max(0.0, self.taken - passed_s * self.rate)
        self.at_s = max(self.at_s, now_s)
        return int(self.burst - self.taken)

    def take(self, calls: int, now_s: float) -> None:
        """Note calls that were made, even beyond what was left: then the bucket owes."""
        self.left(now_s)
        self.taken += calls
