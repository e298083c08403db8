"""A cheap stand-in for the predictor where a replay asks about the policy and not about memory.

It gives what was asked for, and foretells the run time from what the same kind of job took lately.
`Real` is the broker's own predictor, for replays that ask about money.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from headgate.estimate import Estimate, Quantiles, Source
from headgate.job import Job
from headgate.resources import Resources
from headgate.usage import Observation
from predictor.predictor import Indexes

#: Run times remembered of each kind of job.
MEMORY = 64
#: After so many new ones the quantiles are looked at anew.
STALE = 16


@dataclass(slots=True)
class Kind:
    """What is known of the jobs of one name."""

    runtimes_s: deque[float] = field(default_factory=lambda: deque(maxlen=MEMORY))
    fresh: int = 0
    estimates: dict[Resources, Estimate] = field(default_factory=dict)
    runtime_s: Quantiles = Quantiles(600.0, 7200.0)  # noqa: RUF009

    def learn(self, runtime_s: float) -> None:
        self.runtimes_s.append(runtime_s)
        self.fresh += 1
        if self.fresh >= STALE or len(self.runtimes_s) <= 4:
            self.fresh = 0
            known = sorted(self.runtimes_s)
            last = len(known) - 1
            self.runtime_s = Quantiles(known[last // 2], known[last - last // 20])
            self.estimates.clear()


class Foresight:
    """Speaks as `Forecaster` does."""

    def __init__(self) -> None:
        self.kinds: dict[str, Kind] = {}

    def estimate(self, jobs: Sequence[Job], modes: Sequence[str]) -> list[Estimate]:
        del modes
        return [self._one(job) for job in jobs]

    def estimate_sweep(
        self, job: Job, columns: Mapping[str, npt.NDArray[Any]] | None, size: int, mode: str
    ) -> list[tuple[Indexes, Estimate]]:
        del columns, mode
        return [(np.arange(size, dtype=np.uint32), self._one(job))]

    def observe(self, observations: Sequence[Observation]) -> None:
        for one in observations:
            self._kind(one.job).learn(one.usage.runtime_s)

    def retry(self, failed: Observation, largest: Resources, mode: str) -> Resources:
        """Twice the memory, as far as there is any."""
        del mode
        given = failed.allocation or largest
        most = min(given.memory_mib * 2, largest.memory_mib)
        return Resources(given.vcpu, most, given.gpus)

    def _kind(self, job: Job) -> Kind:
        found = self.kinds.get(job.name)
        if found is None:
            found = self.kinds[job.name] = Kind()
        return found

    def _one(self, job: Job) -> Estimate:
        kind = self._kind(job)
        asked = job.resources
        given = Resources(asked.vcpu or 1.0, asked.memory_mib or 2048, asked.gpus or 0)
        known = kind.estimates.get(given)
        if known is None:
            known = kind.estimates[given] = Estimate(
                allocation=given,
                memory_mib=Quantiles(given.memory_mib, given.memory_mib),
                vcpu=Quantiles(given.vcpu, given.vcpu),
                runtime_s=kind.runtime_s,
                source=Source.REQUEST,
                family=job.name,
            )
        return known
