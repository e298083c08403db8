"""The broker's own values: what the store keeps, and what the engines are handed.

A *group* is the tasks of one job that share one predicted shape and one attempt number: a row with
sets of task indexes, not a row a task. A *leak* is a part of a group handed to a lane in one go:
the intent that is written ahead, and on AWS Batch one array job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, NewType

from pyroaring import BitMap

from headgate.estimate import Estimate
from headgate.job import Job
from headgate.lifecycle import Cause, State
from headgate.record import record
from headgate.resources import Resources
from headgate.sweep import Grid
from headgate.usage import Usage

JobId = NewType("JobId", str)
GroupId = NewType("GroupId", int)
LeakId = NewType("LeakId", int)

#: Task indexes, 0 to size - 1. A million neighbours take a few bytes.
Tasks = BitMap

#: How the reason begins of a job that never started because another failed; its name follows.
DEPENDENCY_FAILED = "dependency failed: "
#: How the reason begins for which a job waits that no lane could hold, were they all empty.
FITS_NO_LANE = "fits no lane: "


class Table(StrEnum):
    """Where a sweep's parameters come from when they are not a grid."""

    CHUNKS = "chunks"  #: a table, kept as compressed columnar chunks
    NONE = "none"  #: tasks are told apart by their index alone


Parameters = Grid | Table


@record(frozen=True, slots=True)
class Submission:
    """A checked job or sweep, with tenant and tier settled, ready to be made durable.

    `digest` is of the whole request: the same client token with another digest is a conflict.
    `template` is the job as JSON, where it was written out already ("": the store does).
    `array` is False for a single job, which has size 1 and no index. With an `estimate` it is
    RUNNABLE at once; only what waits for no other job may have one.
    """

    job_id: JobId
    job: Job
    tenant: str
    tier: str
    submitted_at_s: float
    digest: str
    size: int = 1
    array: bool = False
    parameters: Parameters = Table.NONE
    estimate: Estimate | None = None
    template: str = ""

    @property
    def state(self) -> State:
        """Where its tasks begin."""
        return State.SUBMITTED if self.estimate is None else State.RUNNABLE


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a submission; `known` when the client token was seen before."""

    job_id: JobId
    known: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """`rows` rows of a table sweep from task `first` on: an Arrow IPC stream, zstd-compressed."""

    first: int
    rows: int
    data: bytes


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as the store knows it. `counts` has the tasks in each state; they add up to `size`."""

    job_id: JobId
    job: Job
    tenant: str
    tier: str
    priority: int
    size: int
    array: bool
    parameters: Parameters
    submitted_at_s: float
    counts: dict[State, int]
    started_at_s: float | None = None
    finished_at_s: float | None = None
    reason: str | None = None

    @property
    def state(self) -> State:
        """A single job's own; an array is PENDING until its last child ends, as in Batch."""
        alive = [state for state, n in self.counts.items() if n]
        if len(alive) == 1:
            return alive[0]
        if set(alive) <= {State.SUCCEEDED, State.FAILED}:
            return State.FAILED
        return State.PENDING


@record(frozen=True, slots=True)
class Group:
    """A group as the cycle sees it.

    `waiting` are the tasks in `state` (SUBMITTED, PENDING or RUNNABLE: all of a group's waiting
    tasks stand in the same one). `version` is compared and set by every change.
    """

    group_id: GroupId
    job_id: JobId
    job: Job
    tenant: str
    tier: str
    priority: int
    attempt: int
    state: State
    waiting: Tasks
    version: int
    queued_at_s: float
    size: int
    array: bool
    parameters: Parameters
    estimate: Estimate | None = None
    hold: str | None = None
    #: Children that were cancelled before their array went: see `core/whole.py`.
    dropped: Tasks | None = None


@record(frozen=True, slots=True)
class Split:
    """A part of a SUBMITTED group that the predictor gave one shape."""

    tasks: Tasks
    estimate: Estimate


@record(frozen=True, slots=True)
class Intent:
    """What the leak decided: these tasks of that group, into that lane, with that much.

    `dropped` children go along, to be stopped: only so do the others get their index.
    """

    group_id: GroupId
    version: int
    tasks: Tasks
    lane: str
    allocation: Resources
    dropped: Tasks | None = None


@record(frozen=True, slots=True)
class Leak:
    """A durable intent, and after the hand-over the engine's own id for it.

    `name` is unique for ever: an engine that is asked twice for one name starts it once. `open`
    are the tasks that have not ended yet; `running` those of them whose processes run.
    """

    leak_id: LeakId
    name: str
    group_id: GroupId
    job_id: JobId
    job: Job
    tenant: str
    tier: str
    attempt: int
    lane: str
    allocation: Resources
    tasks: Tasks
    open: Tasks
    running: Tasks
    created_at_s: float
    size: int
    array: bool
    parameters: Parameters
    estimate: Estimate | None = None
    engine_id: str | None = None
    handed_over_at_s: float | None = None
    cancelling: Tasks = field(default_factory=Tasks)


class Changes(NamedTuple):
    """What became of the open leaks: those that are new or other than before, oldest first, and the
    names of those that are open no more."""

    leaks: Sequence[Leak]
    gone: Sequence[str]


@record(frozen=True, slots=True)
class Attempt:
    """One attempt of one task, as it is remembered."""

    task: int
    attempt: int
    leak: str
    lane: str
    allocation: Resources
    created_at_s: float
    started_at_s: float | None = None
    stopped_at_s: float | None = None
    cause: Cause | None = None
    exit_code: int | None = None
    reason: str | None = None
    usage: Usage | None = None
    child: str | None = None  #: the engine's own id of it
    #: What AWS Batch says of where it runs, in its words; None where the broker itself runs jobs.
    where: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """An attempt that ended, beside what was foretold of it and the task's own parameters."""

    attempt: Attempt
    estimate: Estimate | None
    parameters: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many tasks of a tenant in a tier stand in each state, over all unfinished jobs."""

    tier: str
    tenant: str
    counts: dict[State, int]


@dataclass(frozen=True, slots=True)
class Hold:
    """Tasks of one job that wait at the gate for one reason."""

    job_id: JobId
    name: str
    tier: str
    tenant: str
    priority: int
    tasks: int
    queued_at_s: float  #: of those that wait longest
    reason: str


@dataclass(frozen=True, slots=True)
class Lane:
    """Where tasks can be put: on AWS a queue over one instance shape; locally this machine.

    `instances` is how many of `shape` there are or may be; `running` how many run (and are paid
    for) now, None where the engine does not say. `price_usd_hour` is for one of them.
    """

    name: str
    shape: Resources
    instances: int = 1
    price_usd_hour: float = 0.0
    purchase: str = "LOCAL"
    arch: str = "x86_64"
    gpu_model: str | None = None
    gpu_memory_mib: int | None = None
    closed: str | None = None  #: why nothing is leaked into it just now
    running: int | None = None
    queues: bool = False  #: whether it takes work beyond what is free, and starts it in its turn
    whole_vcpus: bool = False  #: whether a task gets whole vCPUs alone, as on AWS Batch's EC2
    index_by_shim: bool = False  #: whether a part of an array knows its indexes by the shim alone
    #: Whether each node of a multi-node job gets an instance of its own; else one has them all.
    apart: bool = False
    instance_types: tuple[str, ...] = ()  #: EC2's, where it is known
    #: How many tasks of which size have ended there whose ends are not told yet: room is free.
    ended: tuple[tuple[Resources, int], ...] = ()


@record(frozen=True, slots=True)
class HandOver:
    """What an engine answered for one leak: taken (with its own id), or refused for a reason."""

    leak: str
    engine_id: str | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class LogPage:
    """A piece of a task's log. `next` reads on from here: the number of a byte."""

    text: str
    next: str
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A small thing kept by kind and name, and for job definitions by revision.

    `version` counts its changes: it is compared and set, and 0 means that it was never kept.
    """

    kind: str
    name: str
    body: dict[str, Any]
    revision: int = 0
    version: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is told of a job, in one read: as a whole, or of one `task` of an array, or of one
    `node` of a multi-node job.

    An array as a whole has no estimate, no hold and no attempts of its own: its tasks have.
    """

    record: JobRecord
    task: int | None
    state: State
    estimate: Estimate | None = None
    hold: str | None = None
    attempts: tuple[Attempt, ...] = ()
    failure: str | None = None  #: why it failed, if it failed while it waited
    node: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Which jobs to list. Names are compared without case; one that ends in `*` is a beginning."""

    queue: str
    state: State | None = None
    name: str | None = None
    submitted_before_s: float | None = None
    submitted_after_s: float | None = None
    after: JobId | None = None  #: the last one of the page before
    limit: int = 100
