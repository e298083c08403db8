"""What an attempt really used, and the record of it that the predictor learns from."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum

from headgate.estimate import Estimate
from headgate.job import Job
from headgate.lifecycle import Cause
from headgate.record import record
from headgate.resources import Resources


class Meter(StrEnum):
    """What measured, from the most exact to the least."""

    CGROUP = "cgroup"  #: the kernel's own peak of the task's cgroup
    PSS = "pss"  #: proportional set size over the process tree, sampled
    CONTAINER_INSIGHTS = "container_insights"
    IMPORTED = "imported"  #: a history somebody else measured
    NONE = "none"  #: only exit code and times are known


@record(frozen=True, slots=True)
class Usage:
    """Measured use of one attempt. None where it was not measured."""

    runtime_s: float
    peak_memory_mib: float | None = None
    cpu_s: float | None = None
    gpu_memory_mib: float | None = None
    gpu_utilisation: float | None = None
    meter: Meter = Meter.NONE

    @property
    def mean_vcpu(self) -> float | None:
        """Cores kept busy on the average."""
        if self.cpu_s is None or self.runtime_s <= 0:
            return None
        return self.cpu_s / self.runtime_s


@record(frozen=True, slots=True)
class Observation:
    """One attempt that ended: the job as submitted, what was foretold and given, and what it used.

    An attempt killed for its memory is censored: its need is at least what it was given.
    `finished_at_s` is seconds since the Unix epoch.
    """

    job: Job
    usage: Usage
    cause: Cause
    exit_code: int | None
    attempt: int
    finished_at_s: float
    allocation: Resources | None = None
    estimate: Estimate | None = None
    parameters: dict[str, object] = field(default_factory=dict)

    @property
    def memory_is_censored(self) -> bool:
        return self.cause is Cause.OUT_OF_MEMORY
