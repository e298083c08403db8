"""Why an attempt ended, out of what AWS Batch says of it. Pure.

The words are the service's own, from the troubleshooting pages of AWS Batch and Amazon ECS. Where
they change, an attempt reads as EXITED with its exit code, or as NOT_STARTED without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from headgate.lifecycle import Cause
from headgate.usage import Usage
from queue_broker.adapters.engines.aws.sources import Measured
from queue_broker.events import Ended
from queue_broker.nodes import nodes_of
from queue_broker.records import Leak

#: The reasons that the broker itself gives to TerminateJob.
CANCELLED, MADE_ROOM = "Headgate: cancelled", "Headgate: stopped to make room"
MOVED = "Headgate: the lane has no capacity"
#: The host went away: a Spot interruption, a scaled-in or broken instance.
HOST_LOST = ("host ec2", "spot interruption", "instance terminated", "host lost", "agent is disco")
TIMED_OUT = ("job attempt duration exceeded timeout", "attempt duration exceeded")
OUT_OF_MEMORY = ("outofmemoryerror", "container killed due to memory")
NOT_STARTED = (
    *("cannotpullcontainer", "cannotstartcontainer", "cannotcreatecontainer"),
    *("cannotinspectcontainer", "resourceinitializationerror", "dockertimeouterror"),
    *("task failed to start", "containerruntimeerror", "imagepull"),
)
#: The command ended by itself, whatever was asked for in the same moment.
ITS_OWN = "essential container in task exited"
#: What blocks a job in RUNNABLE: the service's own codes.
BLOCKED = ("CAPACITY:", "MISCONFIGURATION:")


def ended(leak: Leak, task: int, told: Mapping[str, Any], stopped: Cause | None) -> Ended:
    """The last event of a task from a JobDetail, a JobSummary or an event's detail.

    `stopped`: the broker asked for the end, for this cause.
    """
    code = exit_code(told)
    cause, reason = cause_of(told, code, stopped)
    started_s = seconds(told.get("startedAt"))
    at_s = seconds(told.get("stoppedAt")) or started_s or seconds(told.get("createdAt")) or 0.0
    usage = Usage(max(0.0, at_s - started_s)) if started_s is not None else None
    if cause is Cause.OUT_OF_MEMORY and code is not None and nodes_of(leak):
        cause = Cause.EXITED  # as its owner has it: nobody gives its nodes more
    return Ended(leak.name, task, at_s, cause, code, usage, reason, started_s, reasons(told))


def cause_of(
    told: Mapping[str, Any], code: int | None, stopped: Cause | None
) -> tuple[Cause, str | None]:
    if told["status"] == "SUCCEEDED":
        return Cause.EXITED, None
    status, reason = reasons(told)
    words = f"{status}; {reason}".strip("; ")
    said = words.lower()
    if any(mark in said for mark in OUT_OF_MEMORY):
        return Cause.OUT_OF_MEMORY, words
    by_itself = ITS_OWN in said and code is not None
    if status.startswith("Headgate: ") or (stopped is not None and not by_itself):
        return stopped or of_ours(status), words or None
    for marks, cause in (
        (HOST_LOST, Cause.INTERRUPTED),
        (TIMED_OUT, Cause.TIMEOUT),
        (NOT_STARTED, Cause.NOT_STARTED),
    ):
        if any(mark in said for mark in marks):
            return cause, words
    if told.get("isTerminated") or told.get("isCancelled"):
        return Cause.CANCELLED, words
    return (Cause.NOT_STARTED if code is None else Cause.EXITED), words or None


def reasons(told: Mapping[str, Any]) -> tuple[str, str]:
    """The job's statusReason and its container's reason, each "" where there is none."""
    status = told.get("statusReason") or last_attempt(told).get("statusReason")
    return str(status or ""), str(container(told).get("reason") or "")


def reason_of(cause: Cause) -> str:
    """What TerminateJob is told."""
    return MADE_ROOM if cause is Cause.INTERRUPTED else CANCELLED


def of_ours(status: str) -> Cause:
    return Cause.CANCELLED if status.startswith(CANCELLED) else Cause.INTERRUPTED


def container(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container of a detail or a summary, else that of its last attempt."""
    found: dict[str, Any] = told.get("container") or {}
    if "exitCode" in found or "reason" in found:
        return found
    return found | (last_attempt(told).get("container") or {})


def last_attempt(told: Mapping[str, Any]) -> Mapping[str, Any]:
    attempts = told.get("attempts") or [{}]
    last: Mapping[str, Any] = attempts[-1]
    return last


def exit_code(told: Mapping[str, Any]) -> int | None:
    code = container(told).get("exitCode")
    if code is None and told["status"] == "SUCCEEDED":
        return 0
    return None if code is None else int(code)


def seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000


def with_measured(end: Ended, measured: Measured) -> Ended:
    """The end with what was measured; a kill for memory that only the kernel saw is one."""
    runtime_s = end.usage.runtime_s if end.usage else 0.0
    known = replace(end, usage=measured.usage(runtime_s))
    if end.cause is Cause.EXITED and end.exit_code and measured.oom_kills:
        reason = f"OutOfMemoryError: {end.reason or 'a process was killed'}"
        return replace(known, cause=Cause.OUT_OF_MEMORY, reason=reason)
    return known
