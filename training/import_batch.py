"""What AWS Batch still remembers (about a week): DescribeJobs' answers, one observation an
attempt.

Batch knows when an attempt ran and how it ended, not what it used: these rows teach runtimes and
kills.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from headgate.job import MAX_TAGS, Job
from headgate.lifecycle import Cause
from headgate.resources import Resources
from headgate.usage import Meter, Observation, Usage
from headgate.validation import parse
from training.imports import Dropped, Import, Row, read_rows

#: How ECS and Batch say that a container was killed for its memory, that its host went away, or
#: that it took too long; from the services' documented reasons.
OUT_OF_MEMORY, HOST_GONE, TIMED_OUT = (
    "OutOfMemoryError",
    "Host EC2",
    "Job attempt duration exceeded",
)

#: Tells tasks of one array apart; the predictor does not look at tags that name a single run.
ID_TAG = "aws-batch-job-id"


def from_describe_jobs(jobs: Iterable[Mapping[str, Any]]) -> Iterator[Import]:
    """The observations in DescribeJobs' `jobs`, each attempt one, some at a time; parents of arrays
    tell nothing.
    """
    return read_rows(_attempts(jobs), read)


def _attempts(jobs: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    for job in jobs:
        attempts = job.get("attempts") or [{}]
        for place, attempt in enumerate(attempts, 1):
            yield {"job": job, "attempt": attempt, "number": place}


def read(row: Row) -> Observation:
    """One attempt of one job."""
    job, attempt = row["job"], row["attempt"]
    started, stopped = attempt.get("startedAt"), attempt.get("stoppedAt")
    if not started or not stopped:
        raise Dropped("startedAt or stoppedAt: nothing, so the attempt did not run")
    given = resources(job)
    ended = cause(attempt)
    return Observation(
        job=parse(Job, fields(job, given)),
        usage=Usage(max(stopped - started, 1) / 1000, meter=Meter.NONE),
        cause=ended,
        exit_code=container_of(attempt).get("exitCode"),
        attempt=row["number"],
        finished_at_s=stopped / 1000,
        allocation=given if given.memory_mib else None,
    )


def cause(attempt: Mapping[str, Any]) -> Cause:
    reason = str(container_of(attempt).get("reason", ""))
    status = str(attempt.get("statusReason", ""))
    if OUT_OF_MEMORY in reason:
        return Cause.OUT_OF_MEMORY
    if status.startswith(HOST_GONE):
        return Cause.INTERRUPTED
    return Cause.TIMEOUT if TIMED_OUT in status else Cause.EXITED


def container_of(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container of a job or of an attempt; of an ECS task the essential one, else the first."""
    tasks = told.get("ecsProperties", told).get("taskProperties", ())
    listed = [one for task in tasks for one in task.get("containers", ())]
    essential = [one for one in listed if one.get("essential", True)]
    found: Mapping[str, Any] = told.get("container") or next(iter(essential or listed), {})
    return found


def resources(job: Mapping[str, Any]) -> Resources:
    """What the container was given, new style (resourceRequirements) or old (vcpus, memory)."""
    container = container_of(job)
    told = {item["type"]: item["value"] for item in container.get("resourceRequirements", ())}
    return Resources(
        float(told.get("VCPU", container.get("vcpus", 0))),
        int(told.get("MEMORY", container.get("memory", 0))),
        int(told.get("GPU", 0)),
    )


def fields(job: Mapping[str, Any], given: Resources) -> dict[str, Any]:
    container = container_of(job)
    return {
        "name": job.get("jobName"),
        "command": container.get("command") or ["unknown"],
        "definition": _tail(job.get("jobDefinition")),
        "image": container.get("image"),
        "queue": _tail(job.get("jobQueue")) or "default",
        "parameters": job.get("parameters", {}),
        "tags": tags(job),
        "resources": {
            "vcpu": given.vcpu or None,
            "memory_mib": given.memory_mib or None,
            "gpus": given.gpus or None,
        },
    }


def tags(job: Mapping[str, Any]) -> dict[str, str]:
    """The job's own, and its id; with as many as a job may have, its last one makes room."""
    own, mark = job.get("tags", {}), {ID_TAG: job["jobId"]} if "jobId" in job else {}
    return dict(islice(own.items(), MAX_TAGS - len(mark))) | mark


def _tail(arn: str | None) -> str | None:
    return arn.rpartition("/")[2] if arn else None
