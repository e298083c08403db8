"""Arrays that go whole or not at all. Pure.

The shim tells a task its index. Around an image's own command, or an image with an ENTRYPOINT, it
cannot be put. Then on AWS Batch only an array as a whole tells its children theirs, from 0 on: a
part would count anew, a child that goes alone is no array's, and AWS_BATCH_JOB_ARRAY_INDEX cannot
be set by anybody else ("a protected environment variable prefix": it is wiped).
"""

from __future__ import annotations

from headgate.errors import InvalidInput
from headgate.job import Job
from headgate.lifecycle import State
from queue_broker.core.intents import MAX_LEAK
from queue_broker.records import Group, JobRecord, Leak, Parameters, Table, Tasks

#: A job with this tag set to `off` runs without the shim: for images with an ENTRYPOINT.
SHIM_TAG = "headgate:shim"
#: Why a part of such an array does not go, and a child of it is not tried again.
PART = (
    "without the shim only a whole array tells its children their index on AWS Batch, so that a "
    "part of it cannot run: submit the array again, or give it a command the shim can go around"
)


def under_shim(job: Job) -> bool:
    """Without a command the image's own runs, which nobody here knows and nothing can wrap."""
    return bool(job.command) and job.tags.get(SHIM_TAG, "").lower() != "off"


def goes_whole(work: Group | Leak) -> bool:
    """Whether its tasks know their index from AWS Batch alone."""
    return work.array and not under_shim(work.job)


def is_part(group: Group) -> bool:
    """Whether tasks are missing of a group that goes whole."""
    return goes_whole(group) and len(group.waiting) < group.size


def dropped(group: Group, record: JobRecord) -> Tasks | None:
    """The children that are missing, where all of them were cancelled and nothing of the array has
    ever begun: it can still go whole, and they are stopped as soon as AWS Batch has named them.

    A child that has begun once may not do so again, not even for a moment.
    """
    missing = Tasks(range(group.size)) - group.waiting
    alone = record.counts.get(State.FAILED, 0) == len(missing)
    return missing if alone and record.started_at_s is None else None


def check_whole(job: Job, tasks: int, parameters: Parameters) -> None:
    """Before an array is taken for AWS Batch: `InvalidInput` where it could never go whole."""
    if under_shim(job):
        return
    said = (f"tags.{SHIM_TAG}", "off") if job.command else ("command", "none")
    if parameters is not Table.NONE:
        allowed = "a command that the shim can go around, where tasks have parameters"
        raise InvalidInput.of(*said, allowed)
    if any(one.type == "SEQUENTIAL" for one in job.depends_on):
        allowed = "a command that the shim can go around, where an array's tasks wait for another"
        raise InvalidInput.of(*said, allowed)
    if not 1 < tasks <= MAX_LEAK:
        allowed = f"2 to {MAX_LEAK:,} where the shim is not around them: they go as one array job"
        raise InvalidInput.of("size", f"{tasks:,} tasks", allowed)
