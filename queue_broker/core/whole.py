"""Arrays that go whole or not at all. Pure.

The shim tells a task its index. Around an image's own command, or an image with an ENTRYPOINT, it
cannot be put. Then on AWS Batch only an array as a whole tells its children theirs, from 0 on: a
part would count anew, a child that goes alone is no array's, and AWS_BATCH_JOB_ARRAY_INDEX cannot
be set by anybody else ("a protected environment variable prefix": it is wiped).
"""

from __future__ import annotations

from dataclasses import replace

from headgate.errors import InvalidInput
from headgate.estimate import Estimate
from headgate.job import Job
from headgate.lifecycle import State
from headgate.resources import Resources
from queue_broker.core.intents import MAX_LEAK
from queue_broker.nodes import NODE_PROPERTIES
from queue_broker.records import Group, JobRecord, Leak, Parameters, Table, Tasks

#: A job with this tag set to `off` runs without the shim: for images with an ENTRYPOINT. On AWS it
#: is found out of an image by its first job (`adapters/engines/aws/trials.py`).
SHIM_TAG = "headgate:shim"
#: Why a part of such an array does not go, and a child of it is not tried again.
PART = (
    "without the shim only a whole array tells its children their index on AWS Batch, so that a "
    "part of it cannot run: submit the array again, or give it a command the shim can go around"
)


def can_wrap(job: Job) -> bool:
    """Without a command the image's own runs, which nobody here knows and nothing can wrap. The
    nodes of a job go as they are."""
    off = job.tags.get(SHIM_TAG, "").lower() == "off" or NODE_PROPERTIES in job.batch
    return bool(job.command) and not off


def under_shim(work: Group | Leak) -> bool:
    """Whether it goes with the shim, for all that is known of its image yet."""
    return can_wrap(work.job) and not (work.estimate is not None and work.estimate.bare)


def goes_whole(work: Group | Leak) -> bool:
    """Whether its tasks know their index from AWS Batch alone."""
    return work.array and not under_shim(work)


def spared(estimate: Estimate, work: Group | Leak) -> Estimate:
    """An array that goes whole has no less memory than it asks for: of its children, one that is
    killed for memory could not be tried again bigger."""
    given, asked_mib = estimate.allocation, work.job.resources.memory_mib or 0
    if not goes_whole(work) or given.memory_mib >= asked_mib:
        return estimate
    return replace(estimate, allocation=Resources(given.vcpu, asked_mib, given.gpus))


def bared(leak: Leak, estimate: Estimate) -> Estimate:
    """What its tasks are given once it is known that their image runs no shim."""
    estimate = replace(estimate, bare=True)
    return spared(estimate, replace(leak, estimate=estimate))


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
    if can_wrap(job):
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
