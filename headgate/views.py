"""What the broker answers, as the SDK, the CLI and the dashboard read it.

Unlike what users write, an answer may hold fields that an older SDK does not know: they are
ignored, so that brokers can be newer than the images that call them.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from headgate.estimate import Estimate, Source
from headgate.job import Scalar
from headgate.lifecycle import FINISHED, Cause, State
from headgate.resources import Resources
from headgate.usage import Usage


class View(BaseModel):
    """Base of the answers: frozen, and tolerant of what it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")


class Submitted(View):
    """The answer to a submission. `known`: the client token was seen before; nothing was added."""

    job_id: str
    known: bool = False


class JobView(View):
    """A job. `counts` has the tasks in each state (those with any); times are Unix seconds."""

    job_id: str
    name: str
    state: State
    reason: str | None = None
    tenant: str
    tier: str
    queue: str
    priority: int
    size: int
    array: bool
    counts: dict[State, int]
    submitted_at_s: float
    started_at_s: float | None = None
    finished_at_s: float | None = None
    job: dict[str, Any] | None = Field(
        default=None, description="as submitted; left out of lists, since it may be long"
    )

    @property
    def finished(self) -> bool:
        return sum(self.counts.get(state, 0) for state in FINISHED) >= self.size

    @property
    def succeeded(self) -> bool:
        return self.counts.get(State.SUCCEEDED, 0) >= self.size

    @property
    def revision(self) -> str:
        """Changes whenever a count does; a long poll waits for another one than was seen."""
        return "-".join(f"{self.counts.get(state, 0):x}" for state in State)


class JobList(View):
    """A page of jobs, newest first; `next` goes on from here, None at the end."""

    jobs: list[JobView]
    next: str | None = None


class AttemptView(View):
    """One attempt of one task. Times are Unix seconds."""

    attempt: int
    lane: str
    allocation: Resources
    created_at_s: float
    started_at_s: float | None = None
    stopped_at_s: float | None = None
    cause: Cause | None = None
    exit_code: int | None = None
    reason: str | None = None
    usage: Usage | None = None


class ResultRow(View):
    """One ended attempt, flat as a table wants it; its names are those of the history's format.
    None where nobody measured, or nothing was foretold."""

    index: int
    attempt: int
    cause: Cause
    exit_code: int | None
    reason: str | None
    lane: str
    started_at_s: float | None
    finished_at_s: float
    runtime_s: float
    peak_memory_mib: float | None
    cpu_s: float | None
    gpu_memory_mib: float | None
    allocation_vcpu: float
    allocation_memory_mib: int
    allocation_gpus: int
    estimate_memory_mib_p50: float | None = None
    estimate_memory_mib_p95: float | None = None
    estimate_vcpu_p50: float | None = None
    estimate_vcpu_p95: float | None = None
    estimate_runtime_s_p50: float | None = None
    estimate_runtime_s_p95: float | None = None
    estimate_source: Source | None = None
    parameters: dict[str, Scalar]


class ResultList(View):
    """A page of ended attempts, oldest first; `next` goes on from here, None at the end."""

    results: list[ResultRow]
    next: int | None = None


class TaskView(View):
    """One task. `reason` says what holds it, or why it failed."""

    job_id: str
    index: int
    state: State
    attempt: int
    reason: str | None = None
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    command: tuple[str, ...] = ()
    estimate: Estimate | None = None
    attempts: list[AttemptView] = Field(default_factory=list)


class TaskRow(View):
    """A task in a list."""

    index: int
    state: State


class TaskList(View):
    """A page of tasks by ascending index; `next` goes on from here, None at the end."""

    tasks: list[TaskRow]
    next: int | None = None


class Shape(View):
    """What the tasks of one group were foretold. `waiting` as in `0-99,200`."""

    attempt: int
    state: State
    waiting: str
    tasks_waiting: int
    estimate: Estimate | None = None
    hold: str | None = None


class LogText(View):
    """A piece of an attempt's log. `next` reads on from here; `ended`: nothing more will come."""

    text: str
    attempt: int | None = None
    next: str | None = None
    ended: bool = False


class Cancelled(View):
    """The tasks that a cancel reached: failed at once, or marked to be stopped."""

    tasks: str
    count: int


class Changed(View):
    """How many tasks a wish changed."""

    count: int


class BacklogView(View):
    """A tenant's unfinished tasks in a tier, by state."""

    tier: str
    tenant: str
    counts: dict[State, int]


class Held(View):
    """Tasks of a job that wait at the gate, with the reason that holds them."""

    job_id: str
    name: str
    tier: str
    tenant: str
    priority: int
    tasks_waiting: int
    queued_at_s: float
    reason: str


class QueueView(View):
    """All that waits and runs, and why what waits does."""

    backlog: list[BacklogView]
    held: list[Held]


class Training(View):
    """What a training came to: the new model was promoted, or the current one (or none) kept."""

    at_s: float
    promoted: bool
    reason: str
    version: str | None = None  #: of the promoted model


class Models(View):
    """The published models, oldest first, the one that speaks now, and the trainings, newest first.

    Of the trainings, the latest few hundred are kept.
    """

    current: str | None
    versions: list[str]
    trainings: list[Training] = []


class NeighbourView(View):
    """A past attempt that is most like a job: what was known of it, and what it needed."""

    finished_at_s: float
    memory_mib: float
    runtime_s: float
    inputs: dict[str, float] = Field(default_factory=dict)


class Foretold(View):
    """What a job would get if it were submitted now."""

    tier: str
    tenant: str
    estimate: Estimate
    fits: list[str] = Field(description="lanes that could run it")
    gpu: str | None = Field(
        default=None, description="the smallest GPU that holds it, as in `T4 (16,384 MiB)`"
    )
    families: dict[str, int] = Field(
        default_factory=dict, description="the job's families, with the attempts known of each"
    )
    prices: dict[str, float] = Field(
        default_factory=dict,
        description="what each way of foretelling would have cost so far, the cheapest first",
    )
    contributions: dict[str, float] = Field(
        default_factory=dict, description="what each fact adds to the log of the model's memory"
    )
    neighbours: list[NeighbourView] = Field(
        default_factory=list, description="the past attempts nearest to the job"
    )
