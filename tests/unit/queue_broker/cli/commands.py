"""What tests of the client's commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from queue_broker.records import JobId
from queue_broker.verdicts import Fail
from tests.factories import ends
from tests.unit.queue_broker.api.serving import Edge

Headgate = Callable[..., str]
#: A command's result: typer brings a click of its own, so it has no public type.
Run = Callable[..., Any]


def finish(edge: Edge, job_id: str, failing: tuple[int, ...] = ()) -> None:
    edge.estimate(JobId(job_id))
    leak = edge.leak(JobId(job_id))
    good = [task for task in leak.tasks if task not in failing]
    edge.settle(ends(leak, good))
    edge.settle(ends(leak, failing, Fail("exit code 1"), exit_code=1, reason="exit code 1"))
    edge.fleet.texts[leak.name, 0] = "the output\n"
