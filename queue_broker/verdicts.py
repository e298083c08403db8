"""What is to become of a task whose attempt ended."""

from __future__ import annotations

from dataclasses import dataclass

from headgate.estimate import Estimate
from headgate.record import record
from queue_broker.events import Ended


@dataclass(frozen=True, slots=True)
class Fail:
    """The attempt was the last one."""

    reason: str


@dataclass(frozen=True, slots=True)
class Succeed:
    """Exit code 0."""


@dataclass(frozen=True, slots=True)
class Requeue:
    """Back to RUNNABLE in the same group: nothing was the task's fault, and no attempt is lost."""

    reason: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Back to RUNNABLE as the next attempt, with an estimate that may be bigger."""

    estimate: Estimate
    reason: str


Verdict = Succeed | Fail | Requeue | Retry


@record(frozen=True, slots=True)
class Judged:
    """An ended attempt with what is to become of its task."""

    ended: Ended
    verdict: Verdict
