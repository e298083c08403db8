"""Housekeeping: what ended goes to the lake, and leaves the store when it is old. Small batches."""

from __future__ import annotations

from dataclasses import dataclass

from queue_broker.ports import Clock, Keeper, Lake


@dataclass(frozen=True, slots=True)
class Keeping:
    """Moves history out. A part is named by its rows, so that writing it again replaces it."""

    store: Keeper
    lake: Lake
    clock: Clock
    keep_finished_s: float
    batch: int = 10_000
    sweeps: int = 50  #: small transactions in one pass, so that single jobs by the thousand go too

    def run(self) -> int:
        """One bounded pass; returns how many attempts reached the lake."""
        observations, span = self.store.unexported(self.batch)
        if span is not None:
            self.lake.write(observations, f"{span[0]:012d}-{span[1]:012d}")
            self.store.exported(span)
        before_s = self.clock() - self.keep_finished_s
        for _ in range(self.sweeps):
            if self.store.sweep_out(before_s, limit=100) < 100:
                break
        return len(observations)
