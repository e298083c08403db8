"""What the core needs of the world, in narrow protocols; one contract suite for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from headgate.lifecycle import State
from headgate.tenancy import Tenant
from headgate.usage import Observation
from headgate.views import Training
from queue_broker.events import Event, Started
from queue_broker.records import (
    Accepted,
    Attempt,
    Backlog,
    Changes,
    Chunk,
    Document,
    Group,
    GroupId,
    HandOver,
    Hold,
    Intent,
    JobId,
    JobRecord,
    Lane,
    Leak,
    Listing,
    LogPage,
    Result,
    Split,
    Standing,
    Submission,
    Tasks,
)
from queue_broker.verdicts import Judged

if TYPE_CHECKING:  # neither is light, and the thin ends of the broker need no more than the words
    import pandas as pd
    import pyarrow as pa

    from predictor.model import Model

#: Seconds since the Unix epoch; virtual in the simulator.
Clock = Callable[[], float]


class Intake(Protocol):
    """Makes submissions durable. Everything is idempotent by (tenant, client token)."""

    @property
    def abreast(self) -> int:
        """How many transactions it is best given at a time."""

    def add(self, submissions: Sequence[Submission]) -> list[Accepted | Exception]:
        """All in one transaction; an answer for each, in order (or its `Conflict`, `NotFound`)."""

    def begin_table(self, submission: Submission) -> Accepted:
        """Open a table sweep that nobody sees until it is sealed."""

    def add_chunk(self, job_id: JobId, chunk: Chunk) -> None:
        """Keep one chunk of an open table sweep."""

    def seal_table(self, job_id: JobId, size: int) -> None:
        """Make the sweep visible with `size` tasks, all at once."""

    def drop_table(self, job_id: JobId) -> None:
        """Forget an open table sweep and its chunks, as if it had never been."""


class CycleStore(Protocol):
    """What a pass of the cycle reads and writes. A write is one compare-and-set transaction."""

    def submitted(self, limit: int, sweeps: int) -> list[Group]:
        """Groups that have no estimate yet, oldest first: of each tier the oldest `limit`, but of
        the sweeps with parameters among these no more than `sweeps`.
        """

    def estimated(self, answers: Sequence[tuple[Group, Sequence[Split]]]) -> list[bool]:
        """Give SUBMITTED groups their shapes: PENDING if it has dependencies, else RUNNABLE.

        A RUNNABLE group gets other shapes and stays RUNNABLE. All in one transaction; False, and
        nothing changed, for a group that moved on since it was read. The splits of a group cover
        its waiting tasks, each once. Other tasks in them are for what comes to it, in this very
        call, from other groups of its job.
        """

    def settle_dependencies(self, limit: int) -> int:
        """PENDING -> RUNNABLE where all it waits for succeeded, -> FAILED where one of them failed.

        N_TO_N and SEQUENTIAL move task by task. Returns how many groups moved.
        """

    def eligible(self, per_tenant: int) -> list[Group]:
        """RUNNABLE groups with waiting tasks: the first few of each tenant in each tier.

        First by priority (highest), then by age. Cost grows with tiers and tenants, not with jobs.
        """

    def backlog(self) -> list[Backlog]:
        """Counts by tier and tenant of everything unfinished."""

    def open_leaks(self) -> list[Leak]:
        """Intents whose tasks have not all ended, oldest first."""

    def changed_leaks(self, known: Mapping[str, Leak]) -> Changes:
        """What makes the open leaks of `known`, which were open by the answers so far, by name."""

    def write_intents(self, intents: Sequence[Intent], now_s: float) -> list[Leak]:
        """RUNNABLE -> STARTING, durable before any engine hears of it.

        An intent whose group moved on is left out of the answer.
        """

    def handed_over(self, answers: Sequence[HandOver], now_s: float) -> None:
        """Note the engine's ids; what was refused goes back to RUNNABLE, held for that reason."""

    def started(self, events: Sequence[Started]) -> None:
        """STARTING -> RUNNING; events that come twice or late change nothing."""

    def settle(self, judged: Sequence[Judged]) -> list[Judged]:
        """Apply the verdicts and remember the attempts; returns those not known before."""

    def hold(self, reasons: Mapping[GroupId, str]) -> None:
        """Write why groups wait; only those whose reason changed are touched."""


class People(Protocol):
    """What users do to jobs. `tasks` None means all of them. Idempotent."""

    def cancel(
        self, job_id: JobId, tasks: Tasks | None, reason: str, *, in_flight: bool = True
    ) -> Tasks:
        """Waiting tasks fail at once; those in flight are marked, and the cycle stops them, or are
        left alone.

        Returns the tasks that were cancelled or marked. `NotFound`.
        """

    def retry_failed(self, job_id: JobId, tasks: Tasks | None) -> int:
        """FAILED -> RUNNABLE as a fresh first attempt; returns how many."""

    def set_priority(self, job_id: JobId, priority: int) -> None:
        """Change the order of a job's waiting tasks within its tenant."""

    def move(self, job_id: JobId, tenant: str | None, tier: str | None) -> None:
        """Move a job's waiting tasks to another tenant or tier."""


class Reader(Protocol):
    """Reads for people; any replica answers. Nothing here takes a lock."""

    def job(self, job_id: JobId) -> JobRecord:
        """`NotFound` when there is no such job."""

    def jobs(self, **filters: str | int | None) -> list[JobRecord]:
        """Newest first. Filters: tenant, tier, queue, name, state, after (a job id), limit."""

    def groups(self, job_id: JobId) -> list[Group]:
        """The groups of a job, finished ones too."""

    def state_of(self, job_id: JobId, task: int) -> tuple[State, Group]:
        """Where one task stands, and its group. `NotFound`."""

    def tasks_in(self, job_id: JobId, state: State, after: int, limit: int) -> list[int]:
        """Indexes of a job's tasks in a state, ascending, the first one greater than `after`."""

    def attempts(self, job_id: JobId, task: int) -> list[Attempt]:
        """All attempts of one task, oldest first, the running one too."""

    def failure(self, job_id: JobId, task: int) -> str | None:
        """Why a task failed while it waited; None of any other."""

    def results(self, job_id: JobId, after: int, limit: int) -> tuple[list[Result], int | None]:
        """Ended attempts of a job from a cursor on, oldest first, and the cursor to go on from;
        None where that was all. `NotFound`."""

    def chunk(self, job_id: JobId, task: int) -> Chunk:
        """The chunk of a table sweep that holds the task's row."""

    def chunks(self, job_id: JobId) -> Iterator[Chunk]:
        """All chunks in order, one at a time."""

    def backlog(self) -> list[Backlog]:
        """As the cycle sees it."""

    def heads(self, per_tenant: int) -> list[Group]:
        """As `eligible`, for people: what a pass remembers of it stays."""

    def waits(self, per_tenant: int) -> dict[str, float]:
        """By tier, when the first was queued of those that wait for no other job and were never
        tried, among the first `per_tenant` of each tenant."""

    def held(self, limit: int) -> list[Hold]:
        """What is RUNNABLE and why it waits, in queue order."""

    def observations(self, after: int, limit: int) -> tuple[list[Observation], int]:
        """Ended attempts from a cursor on, oldest first, and the cursor to go on from."""

    def lessons(self, after: int | None, batches: int, each: int) -> tuple[list[Observation], int]:
        """The first `each` of the latest `batches` of ended attempts from a cursor on, and the
        cursor to go on from. None: nothing, and the cursor behind all."""


class Keeper(Protocol):
    """Housekeeping, in small batches."""

    def unexported(self, limit: int) -> tuple[list[Observation], tuple[int, int] | None]:
        """Ended attempts that the lake has not got, with the first and last of their numbers."""

    def exported(self, span: tuple[int, int]) -> None:
        """The lake has them. Called after the lake's write; both may be repeated."""

    def sweep_out(self, finished_before_s: float, limit: int) -> int:
        """Drop finished jobs that the lake has; returns how many."""


class Directory(Protocol):
    """Tenants, live, and where they have work."""

    def backlog(self) -> list[Backlog]:
        """As the cycle sees it."""

    def tenants(self) -> list[Tenant]:
        """All tenants that were ever set or seen."""

    def put_tenant(self, tenant: Tenant) -> None:
        """Create or change one."""


class Leadership(Protocol):
    """Which of several brokers on one database leads the cycle; all of them serve."""

    def try_lead(self) -> bool:
        """Whether this broker leads now; cheap, and asked before every pass.

        Another takes over within 5 s of a leader's death. `Conflict` where a second broker has no
        place at all: on one SQLite folder.
        """

    def resign(self) -> None:
        """Let another lead."""


class Store(Intake, CycleStore, People, Reader, Keeper, Directory, Leadership, Protocol):
    """All of it; one adapter over SQLAlchemy for SQLite and PostgreSQL."""

    def ping(self) -> None:
        """`Unavailable` when the database is away."""

    def close(self) -> None:
        """Give back connections."""


class Engine(Protocol):
    """Runs leaks: AWS Batch, this machine, or virtual time."""

    name: str

    def lanes(self) -> list[Lane]:
        """What there is to put tasks on, now."""

    def hand_over(self, leaks: Sequence[Leak]) -> list[HandOver]:
        """Take leaks; idempotent by name, so that an unclear answer can be asked again."""

    def poll(self, limit: int) -> list[Event]:
        """Events not acknowledged yet, oldest first; the same ones again until they are."""

    def acknowledge(self, events: Sequence[Event]) -> None:
        """The store has them; the engine may forget."""

    def adopt(self, leaks: Sequence[Leak]) -> None:
        """After a restart: take up what runs, report as ended what ended or got lost meanwhile."""

    def stop(self, leak: Leak, tasks: Tasks, interrupted: bool) -> None:
        """Stop tasks, politely first. They come back as Ended: CANCELLED or INTERRUPTED."""

    def logs(self, leak: str, task: int, after: str | None, limit: int) -> LogPage:
        """A piece of an attempt's output. `NotFound` when there is none.

        A multi-node job is one task; the logs of its other nodes are at their own places.
        """

    def troubles(self) -> list[str]:
        """What it does without just now, tasks running all the same; in words for people."""

    def close(self) -> None:
        """Stop watching. Local tasks are stopped and come back as interrupted at the next start."""


class ModelRegistry(Protocol):
    """Published models, each with its version; one of them current."""

    def publish(self, model: Model) -> str:
        """Keep a model and make it current; returns its version. Atomic."""

    def current_version(self) -> str | None:
        """Cheap: asked every few seconds."""

    def load(self, version: str | None = None) -> Model | None:
        """A version, or the current one. `BadArtifact` when it is corrupt or too new."""

    def versions(self) -> list[str]:
        """Oldest first."""

    def note(self, training: Training) -> None:
        """Remember what a training came to."""

    def trainings(self) -> list[Training]:
        """The latest few hundred, newest first. `BadArtifact` when they cannot be read."""


class Lake(Protocol):
    """History, as a table of observations partitioned by day."""

    def write(self, observations: Sequence[Observation], part: str) -> None:
        """Keep a part under its name; writing the same part again replaces it."""

    def write_rows(self, rows: pa.Table, part: str) -> None:
        """The same, of rows in the documented flat schema: a million observations are 4 GiB."""

    def read(
        self,
        since_s: float | None = None,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
        until_s: float | None = None,
    ) -> pd.DataFrame:
        """Observations in the documented flat schema, oldest first; the latest `limit` ones. Only
        these columns of them, where some are named; none that ended at `until_s` or later."""


class Describer(Protocol):
    """Reads many jobs at once: one by one, a hundred would take hundreds of queries."""

    def standings(self, wanted: Sequence[tuple[JobId, int | None]]) -> list[Standing]:
        """Jobs (None) and tasks of arrays, in the order asked; those not known are left out."""

    def listed(self, listing: Listing) -> list[JobRecord]:
        """Newest first, at most `listing.limit`; an array stands PENDING until it is finished."""


class Shelf(Protocol):
    """Keeps documents by kind, name and revision."""

    def put(self, document: Document) -> Document:
        """Keep it; the answer has the new version. `Conflict` unless it stood at `version`."""

    def put_all(self, documents: Sequence[Document], tenants: Sequence[Tenant] = ()) -> None:
        """Keep them, in order, and the tenants' settings: all in one transaction, or nothing."""

    def remove(self, document: Document) -> None:
        """Forget it. `Conflict` unless it stands at `version`."""

    def get(self, kind: str, name: str, revision: int = 0) -> Document | None:
        """The document, or None."""

    def named(self, kind: str, names: Sequence[str]) -> list[Document]:
        """All revisions of several names, by name and then newest first."""

    def exact(self, kind: str, wanted: Sequence[tuple[str, int]]) -> list[Document]:
        """Those of these names and revisions that are kept."""

    def page(self, kind: str, after: tuple[str, int] | None, limit: int) -> list[Document]:
        """By name and then newest first, the first one behind the (name, revision) `after`."""


class Upstream(Protocol):
    """AWS Batch itself, behind a broker that hands on what it does not keep."""

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to an operation by its name in the model (`DescribeJobQueues`).

        Raises `UpstreamRefused` with the service's own code and words.
        """
