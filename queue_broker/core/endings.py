"""How an attempt ended, in AWS Batch's words: retry strategies match them, clients look for them.

A job's `statusReason` and its container's `reason` are two strings; each rule's condition is on one
of them. Where the engine has the service's own words, those are matched. Pure.
"""

from __future__ import annotations

from headgate.lifecycle import Cause
from queue_broker.events import Ended

#: The service's words for how an attempt ended; of the others, the attempt's own reason is told.
STATUS_REASONS = {
    Cause.EXITED: "Essential container in task exited",
    Cause.OUT_OF_MEMORY: "Essential container in task exited",
    Cause.TIMEOUT: "Job attempt duration exceeded timeout",
    Cause.NOT_STARTED: "Task failed to start",
}
CONTAINER_REASONS = {
    Cause.OUT_OF_MEMORY: "OutOfMemoryError: Container killed due to memory usage",
    Cause.NOT_STARTED: "CannotStartContainerError",
}


def status_reason(cause: Cause, reason: str | None) -> str:
    """An attempt's `statusReason`; `reason` is what the engine said of the end."""
    return STATUS_REASONS.get(cause) or reason or cause.value


def container_reason(cause: Cause, reason: str | None) -> str | None:
    """The `reason` of its container; most have none."""
    words = CONTAINER_REASONS.get(cause)
    return f"{words}: {reason}" if words and cause is Cause.NOT_STARTED else words


def both_reasons(ended: Ended) -> tuple[str, str]:
    """(statusReason, the container's reason), each "" where there is none."""
    if ended.said is not None:
        return ended.said
    cause, reason = ended.cause, ended.reason
    return status_reason(cause, reason), container_reason(cause, reason) or ""
