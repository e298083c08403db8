"""Leaks as the AWS engine is handed them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from headgate.job import Job
from headgate.resources import Resources
from queue_broker.records import GroupId, JobId, Leak, LeakId, Parameters, Table, Tasks


def a_leak(
    command: Iterable[str] = ("echo", "hello"),
    tasks: Iterable[int] = (0,),
    *,
    array: bool = True,
    parameters: Parameters = Table.NONE,
    allocation: Resources = Resources(1.5, 1000),  # noqa: B008 - frozen
    **job: Any,
) -> Leak:
    given = Tasks(tasks)
    return Leak(
        leak_id=LeakId(1),
        name="job-1",
        group_id=GroupId(1),
        job_id=JobId("job"),
        job=Job(name="train", command=tuple(command), **job),
        tenant="acme",
        tier="sweep",
        attempt=1,
        lane="lane",
        allocation=allocation,
        tasks=given,
        open=Tasks(given),
        running=Tasks(),
        created_at_s=0.0,
        size=max(given) + 1,
        array=array,
        parameters=parameters,
    )
