"""Builders of the values that tests speak in; each field that a test does not name is plain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from headgate.estimate import Estimate, Quantiles, Source
from headgate.job import Job
from headgate.lifecycle import Cause
from headgate.resources import Resources
from headgate.sweep import Grid
from headgate.usage import Meter, Usage
from queue_broker.events import Ended, Started
from queue_broker.records import Group, HandOver, Intent, JobId, Leak, Submission, Table, Tasks
from queue_broker.verdicts import Judged, Succeed, Verdict

START_S = 1_700_000_000.0


def a_job(name: str = "train", **fields: Any) -> Job:
    return Job(name=name, command=("echo", "hello"), **fields)


def a_submission(
    job_id: str = "job-1",
    *,
    tenant: str = "acme",
    tier: str = "sweep",
    at_s: float = START_S,
    digest: str | None = None,
    estimate: Estimate | None = None,
    **fields: Any,
) -> Submission:
    """A single job; `fields` are the job's."""
    job, digest = a_job(**fields), digest or f"digest of {job_id}"
    return Submission(JobId(job_id), job, tenant, tier, at_s, digest, estimate=estimate)


def a_sweep(
    job_id: str = "sweep-1",
    size: int = 10,
    *,
    tenant: str = "acme",
    tier: str = "sweep",
    at_s: float = START_S,
    grid: Grid | None = None,
    digest: str | None = None,
    **fields: Any,
) -> Submission:
    """An array told apart by index, or a grid; `fields` are the template's."""
    return Submission(
        JobId(job_id),
        a_job(**fields),
        tenant,
        tier,
        at_s,
        digest or f"digest of {job_id}",
        grid.size if grid else size,
        array=True,
        parameters=grid or Table.NONE,
    )


def an_estimate(memory_mib: int = 1024, vcpu: float = 1.0, **fields: Any) -> Estimate:
    memory = Quantiles(memory_mib * 0.6, memory_mib * 0.9)
    return Estimate(
        allocation=Resources(vcpu, memory_mib),
        memory_mib=memory,
        vcpu=Quantiles(vcpu, vcpu),
        runtime_s=Quantiles(60.0, 120.0),
        source=Source.REQUEST,
        family="train",
        **fields,
    )


def a_usage(runtime_s: float = 60.0, peak_memory_mib: float = 500.0) -> Usage:
    return Usage(runtime_s, peak_memory_mib, cpu_s=50.0, meter=Meter.CGROUP)


def an_intent(group: Group, tasks: Iterable[int] | None = None, lane: str = "local") -> Intent:
    """All of a group's waiting tasks, or some, into one lane, with what was estimated."""
    assert group.estimate is not None
    wanted = group.waiting if tasks is None else Tasks(tasks)
    return Intent(group.group_id, group.version, wanted, lane, group.estimate.allocation)


def taken(leaks: Iterable[Leak]) -> list[HandOver]:
    return [HandOver(leak.name, engine_id=f"engine-{leak.name}") for leak in leaks]


def starts(leak: Leak, tasks: Iterable[int] | None = None, at_s: float = START_S) -> list[Started]:
    return [Started(leak.name, task, at_s) for task in (leak.open if tasks is None else tasks)]


def an_end(leak: Leak, task: int, cause: Cause = Cause.EXITED, **fields: Any) -> Ended:
    plain: dict[str, Any] = {"at_s": START_S + 60, "exit_code": 0, "usage": a_usage()}
    return Ended(leak.name, task, cause=cause, **(plain | fields))


def ends(
    leak: Leak, tasks: Iterable[int] | None = None, verdict: Verdict | None = None, **fields: Any
) -> list[Judged]:
    """Verdicts on some tasks of a leak, or on all that are open; they succeed by default."""
    wanted = leak.open if tasks is None else tasks
    return [Judged(an_end(leak, task, **fields), verdict or Succeed()) for task in wanted]
