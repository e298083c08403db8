"""What engines report of the tasks that they were handed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from headgate.lifecycle import Cause
from headgate.record import record
from headgate.usage import Usage


@record(frozen=True, slots=True)
class Started:
    """The engine says that a task's process runs. `instance`: where, as far as it knows."""

    leak: str
    task: int
    at_s: float
    instance: str = ""


@record(frozen=True, slots=True)
class Ended:
    """The engine says that a task's attempt is over."""

    leak: str
    task: int
    at_s: float
    cause: Cause
    exit_code: int | None = None
    usage: Usage | None = None
    reason: str | None = None
    started_at_s: float | None = None
    #: The service's own statusReason and container's reason; None: it has no words of its own.
    said: tuple[str, str] | None = None
    final: bool = False  #: whether the engine could not run the task again
    #: The image took the shim for something else, so that the command was not run as it is meant.
    misread: bool = False


Event = Started | Ended


class Reported(NamedTuple):
    """What an engine reported since it was asked last."""

    started: Sequence[Started]
    ended: Sequence[Ended]

    @classmethod
    def of(cls, events: Sequence[Event]) -> Reported:
        return cls(
            [event for event in events if isinstance(event, Started)],
            [event for event in events if isinstance(event, Ended)],
        )

    @property
    def events(self) -> int:
        return len(self.started) + len(self.ended)
