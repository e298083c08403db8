"""How fast SubmitJob is called: AWS Batch's published rate, and less after it throttles. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

from queue_broker.core.bucket import TokenBucket


@dataclass(slots=True)
class Pace:
    """Additive increase, multiplicative decrease on the rate of the bucket that the policy takes
    its calls from; after a throttled call nothing is sent for a moment. Thread-safe."""

    bucket: TokenBucket
    most_per_s: float = 50.0
    least_per_s: float = 1.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 16.0
    until_s: float = 0.0
    _pause_s: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def open(self, now_s: float) -> bool:
        return now_s >= self.until_s

    def throttled(self, now_s: float) -> None:
        """Several calls of one burst are throttled together: they count once."""
        with self._lock:
            if not self.open(now_s):
                return
            self._pause_s = min(self.longest_pause_s, max(self.first_pause_s, self._pause_s * 2))
            self.until_s = now_s + self._pause_s
            self.bucket.rate = max(self.least_per_s, self.bucket.rate / 2)

    def went_well(self) -> None:
        with self._lock:
            self._pause_s = 0.0
            self.bucket.rate = min(self.most_per_s, self.bucket.rate + 0.5)
