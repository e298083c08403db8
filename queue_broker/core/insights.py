"""The one read service: the API, the CLI and the dashboard ask here, and nothing else does SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headgate.errors import InvalidInput, NotFound
from headgate.job import Job, fill
from headgate.lifecycle import FINISHED, State
from headgate.slices import parse_slice, show_spans
from headgate.tenancy import Tenant, Tier
from headgate.usage import Usage
from headgate.views import (
    AttemptView,
    BacklogView,
    Foretold,
    Held,
    JobList,
    JobView,
    LogText,
    Models,
    NeighbourView,
    QueueView,
    ResultList,
    Shape,
    TaskList,
    TaskRow,
    TaskView,
)
from queue_broker.core.demands import could_hold, demand_of, smallest_gpu, traits_of
from queue_broker.core.results import results
from queue_broker.records import Attempt, Group, Hold, JobId, JobRecord, Tasks

if TYPE_CHECKING:
    from predictor.explanation import Explanation, Neighbour
    from queue_broker.core.limits import Limits
    from queue_broker.core.parameters import Parameters
    from queue_broker.ports import Engine, ModelRegistry, Store
    from queue_broker.settings import Settings

#: The most that one page may have.
MOST_A_PAGE = 1000
#: Bytes of a log that one answer carries.
LOG_PAGE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Insights:
    """Answers questions in the words of `headgate.views`. Takes no locks."""

    settings: Settings
    store: Store
    engine: Engine
    registry: ModelRegistry
    parameters: Parameters
    limits: Limits
    explain: Callable[[Job, str], Explanation]  #: of a job, with its tier's mode

    def job(self, job_id: JobId) -> JobView:
        """`NotFound` when there is none."""
        record = self.store.job(job_id)
        return job_view(record).model_copy(update={"job": as_submitted(record.job)})

    def jobs(self, limit: int, **filters: str | int | None) -> JobList:
        """Newest first. Filters: tenant, tier, queue, name, state, after."""
        given = {name: one for name, one in filters.items() if one is not None}
        records = self.store.jobs(limit=limit + 1, **given)
        views = [job_view(record) for record in records[:limit]]
        more = len(records) > limit
        return JobList(jobs=views, next=views[-1].job_id if more else None)

    def tasks(self, job_id: JobId, state: State | None, after: int, limit: int) -> TaskList:
        """By ascending index, those in one state or in any."""
        self.store.job(job_id)
        states = [state] if state else list(State)
        found = sorted(
            (index, one)
            for one in states
            for index in self.store.tasks_in(job_id, one, after, limit + 1)
        )
        rows = [TaskRow(index=index, state=one) for index, one in found[:limit]]
        return TaskList(tasks=rows, next=rows[-1].index if len(found) > limit else None)

    def task(self, job_id: JobId, index: int) -> TaskView:
        """One task with its parameters, its command as it runs, and its attempts."""
        record = self._with_task(job_id, index)
        state, group = self.store.state_of(job_id, index)
        failure = self.store.failure(job_id, index) if state is State.FAILED else None
        parameters = self.parameters.of(record, index)
        attempts = [attempt_view(one) for one in self.store.attempts(job_id, index)]
        return TaskView(
            job_id=job_id,
            index=index,
            state=state,
            attempt=group.attempt,
            reason=failure or why(state, group, attempts, record.reason),
            parameters=parameters,
            command=fill(record.job.command, parameters),
            estimate=group.estimate,
            attempts=attempts,
        )

    def attempts(self, job_id: JobId, index: int) -> list[AttemptView]:
        """All attempts of a task, oldest first."""
        self._with_task(job_id, index)
        return [attempt_view(one) for one in self.store.attempts(job_id, index)]

    def results(self, job_id: JobId, after: int, limit: int) -> ResultList:
        """A page of what has ended of a job so far, for a table."""
        return results(self.store, job_id, after, limit)

    def usage(self, job_id: JobId, index: int) -> Usage | None:
        """What the last attempt that ended used; None while there is none."""
        ended = [one.usage for one in self.attempts(job_id, index) if one.usage is not None]
        return ended[-1] if ended else None

    def logs(self, job_id: JobId, index: int, after: str | None, attempt: int | None) -> LogText:
        """A piece of an attempt's output, of the last one by default; empty before the first."""
        self._with_task(job_id, index)
        attempts = self.store.attempts(job_id, index)
        chosen = [one for one in attempts if attempt is None or one.attempt == attempt]
        if not chosen and attempt is not None:
            known = ", ".join(str(one.attempt) for one in attempts) or "none yet"
            raise InvalidInput.of("attempt", attempt, f"one of the attempts so far: {known}")
        if not chosen:
            state, _ = self.store.state_of(job_id, index)
            return LogText(text="", next=after, ended=state in FINISHED)
        return self._log_page(chosen[-1], after)

    def shapes(self, job_id: JobId) -> list[Shape]:
        """What the predictor foretold, group by group."""
        self.store.job(job_id)
        return [shape(group) for group in self.store.groups(job_id)]

    def queue(self, limit: int) -> QueueView:
        """What waits and runs, and why what waits does."""
        backlog = [
            BacklogView(tier=one.tier, tenant=one.tenant, counts=one.counts)
            for one in self.store.backlog()
        ]
        return QueueView(backlog=backlog, held=[held(hold) for hold in self.store.held(limit)])

    def tenants(self) -> list[Tenant]:
        return self.store.tenants()

    def tiers(self) -> list[Tier]:
        """As they are now."""
        return list(self.limits.tiers())

    def models(self) -> Models:
        """The published models, the one that speaks now, and what the trainings came to."""
        return Models(
            current=self.registry.current_version(),
            versions=self.registry.versions(),
            trainings=self.registry.trainings(),
        )

    def estimate(self, job: Job, tenant: str) -> Foretold:
        """What a job would get if it were submitted now, and why."""
        tier = self.settings.tier_of(job, self.tiers(), array=False)
        behind = self.explain(job, tier.mode)
        lanes = self.engine.lanes()
        demand = demand_of(job, behind.estimate, lanes)
        fits = [lane for lane in lanes if could_hold(demand, lane.shape, traits_of(lane))]
        return Foretold(
            tier=tier.name,
            tenant=tenant,
            estimate=behind.estimate,
            fits=[lane.name for lane in fits if not lane.closed],
            gpu=smallest_gpu(demand, fits),
            families=dict(behind.families),
            prices=dict(behind.prices),
            contributions=dict(behind.contributions),
            neighbours=[neighbour_view(one) for one in behind.neighbours],
        )

    def _with_task(self, job_id: JobId, index: int) -> JobRecord:
        record = self.store.job(job_id)
        if not 0 <= index < record.size:
            raise NotFound(f"{job_id} has tasks 0 to {record.size - 1}, and no task {index}")
        return record

    def _log_page(self, attempt: Attempt, after: str | None) -> LogText:
        number = attempt.attempt
        try:
            page = self.engine.logs(attempt.leak, attempt.task, after, LOG_PAGE_BYTES)
        except NotFound:  # nothing was written yet, or the engine has thrown it away since
            over = attempt.stopped_at_s is not None
            return LogText(text="", attempt=number, next=after, ended=over)
        return LogText(text=page.text, attempt=number, next=page.next, ended=page.ended)


def job_view(record: JobRecord) -> JobView:
    return JobView(
        job_id=record.job_id,
        name=record.job.name,
        state=record.state,
        reason=record.reason,
        tenant=record.tenant,
        tier=record.tier,
        queue=record.job.queue,
        priority=record.priority,
        size=record.size,
        array=record.array,
        counts=some(record.counts),
        submitted_at_s=record.submitted_at_s,
        started_at_s=record.started_at_s,
        finished_at_s=record.finished_at_s,
    )


def as_submitted(job: Job) -> dict[str, Any]:
    return job.model_dump(mode="json", exclude_defaults=True)


def some(counts: Mapping[State, int]) -> dict[State, int]:
    """The counts that are not 0, in the order of a task's life."""
    return {state: counts[state] for state in State if counts.get(state)}


def attempt_view(attempt: Attempt) -> AttemptView:
    return AttemptView(
        attempt=attempt.attempt,
        lane=attempt.lane,
        allocation=attempt.allocation,
        created_at_s=attempt.created_at_s,
        started_at_s=attempt.started_at_s,
        stopped_at_s=attempt.stopped_at_s,
        cause=attempt.cause,
        exit_code=attempt.exit_code,
        reason=attempt.reason,
        usage=attempt.usage,
    )


def why(state: State, group: Group, attempts: list[AttemptView], ended: str | None) -> str | None:
    """What holds a task that waits; what ended one that does not. Of those that never started and
    failed before a store kept the reason of each, only their job knows it.
    """
    if state is State.RUNNABLE and group.hold:
        return group.hold
    if attempts:
        return attempts[-1].reason
    return ended if state is State.FAILED else None


def shape(group: Group) -> Shape:
    return Shape(
        attempt=group.attempt,
        state=group.state,
        waiting=show_tasks(group.waiting),
        tasks_waiting=len(group.waiting),
        estimate=group.estimate,
        hold=group.hold,
    )


def held(hold: Hold) -> Held:
    return Held(
        job_id=hold.job_id,
        name=hold.name,
        tier=hold.tier,
        tenant=hold.tenant,
        priority=hold.priority,
        tasks_waiting=hold.tasks,
        queued_at_s=hold.queued_at_s,
        reason=hold.reason or "has not been looked at yet",
    )


def neighbour_view(neighbour: Neighbour) -> NeighbourView:
    return NeighbourView(
        finished_at_s=neighbour.finished_at_s,
        memory_mib=neighbour.memory_mib,
        runtime_s=neighbour.runtime_s,
        inputs=dict(neighbour.inputs),
    )


def show_tasks(tasks: Tasks) -> str:
    """Tasks as `0-99,200`; its cost follows the spans, not the tasks."""
    firsts, lasts = tasks - tasks.shift(1), tasks - tasks.shift(-1)
    return show_spans(zip(firsts, lasts, strict=True))


def tasks_of(text: str | None) -> Tasks | None:
    """The tasks that `0-99,200` names; None, which means all, for None."""
    if text is None:
        return None
    tasks = Tasks()
    for first, last in parse_slice(text):
        tasks.add_range(first, last + 1)
    return tasks
