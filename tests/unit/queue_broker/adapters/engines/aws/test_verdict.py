"""AWS Batch's words for an end, and what they mean."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.lifecycle import Cause
from queue_broker.adapters.engines.aws.verdict import CANCELLED, MADE_ROOM, ended, with_measured
from queue_broker.adapters.engines.shim import Report
from tests.unit.queue_broker.adapters.engines.aws.leaks import a_leak

ESSENTIAL = "Essential container in task exited"
PULL = "CannotPullContainerError: Error response from daemon"


def told(status: str = "FAILED", **more: Any) -> dict[str, Any]:
    return {"status": status, "startedAt": 1_000, "stoppedAt": 61_000} | more


@pytest.mark.parametrize(
    ("detail", "cause", "code"),
    [
        (told("SUCCEEDED"), Cause.EXITED, 0),
        (told(statusReason=ESSENTIAL, container={"exitCode": 3}), Cause.EXITED, 3),
        (
            told(
                statusReason=ESSENTIAL,
                container={"exitCode": 137, "reason": "OutOfMemoryError: Container killed"},
            ),
            Cause.OUT_OF_MEMORY,
            137,
        ),
        (told(statusReason="Host EC2 (instance i-0abc) terminated."), Cause.INTERRUPTED, None),
        (told(statusReason="Job attempt duration exceeded timeout"), Cause.TIMEOUT, None),
        (
            told(statusReason="Task failed to start", container={"reason": PULL}),
            Cause.NOT_STARTED,
            None,
        ),
        (told(statusReason="somebody's wish", isTerminated=True), Cause.CANCELLED, None),
        (told(statusReason=CANCELLED), Cause.CANCELLED, None),
        (told(statusReason=MADE_ROOM), Cause.INTERRUPTED, None),
        (told(attempts=[{"container": {"exitCode": 9}}]), Cause.EXITED, 9),
        (told(statusReason="a word that nobody has seen"), Cause.NOT_STARTED, None),
    ],
)
def test_causes_are_told_apart(detail: dict[str, Any], cause: Cause, code: int | None) -> None:
    end = ended(a_leak(), 0, detail, None)

    assert (end.cause, end.exit_code) == (cause, code)
    assert (end.started_at_s, end.at_s) == (1.0, 61.0)
    assert end.usage is not None
    assert end.usage.runtime_s == 60.0


def test_a_task_that_ended_before_it_was_stopped_ended_by_itself() -> None:
    detail = told(statusReason=ESSENTIAL, container={"exitCode": 3})

    assert ended(a_leak(), 0, detail, Cause.CANCELLED).cause is Cause.EXITED
    assert ended(a_leak(), 0, told(statusReason="x"), Cause.CANCELLED).cause is Cause.CANCELLED


def test_the_service_s_two_reasons_stay_apart_for_retry_strategies() -> None:
    detail = told(statusReason="Task failed to start", container={"reason": PULL})
    assert ended(a_leak(), 0, detail, None).said == ("Task failed to start", PULL)
    last = {"statusReason": ESSENTIAL, "container": {"exitCode": 2, "reason": "Error"}}
    assert ended(a_leak(), 0, told(attempts=[{}, last]), None).said == (ESSENTIAL, "Error")


def test_a_report_brings_what_was_used_and_the_kills_that_only_the_kernel_saw() -> None:
    failed = ended(a_leak(), 0, told(statusReason=ESSENTIAL, container={"exitCode": 1}), None)

    measured = with_measured(failed, Report(needed_bytes=64 << 20, oom_kills=1))

    assert measured.cause is Cause.OUT_OF_MEMORY
    assert measured.usage is not None
    assert (measured.usage.peak_memory_mib, measured.usage.runtime_s) == (64.0, 60.0)
