"""What a submission gives back: a job, a sweep, or one task of it, to ask and to steer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from headgate import calls
from headgate.estimate import Estimate
from headgate.flows import Async, Flow, Sync, T, operation, send
from headgate.lifecycle import State
from headgate.progress import showing
from headgate.slices import show_slice
from headgate.usage import Usage
from headgate.views import (
    AttemptView,
    Cancelled,
    JobView,
    LogText,
    ResultRow,
    Shape,
    TaskList,
    TaskView,
)
from headgate.waiting import until_finished

#: Tasks as `0-99,200`, an index, a range or any indexes; None means all of them.
Slice = str | int | Iterable[int] | None


class _OfJob:
    """What can be asked of any job, sweep or not."""

    id: str

    @operation
    def describe(self) -> Flow[JobView]:
        """All that the broker tells of the job."""
        return (yield from send(calls.job(self.id)))

    @operation
    def status(self) -> Flow[State]:
        """The state, in AWS Batch's words."""
        return (yield from send(calls.job(self.id))).state

    @operation
    def results(self) -> Flow[list[dict[str, Any]]]:
        """Every attempt that has ended, as flat rows: `pandas.DataFrame(sweep.results())`."""
        rows: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = yield from send(calls.results(self.id, after))
            rows += (flat(row) for row in page.results)
            after = page.next
        return rows

    @operation
    def wait(self, timeout_s: float | None = None, progress: bool | None = None) -> Flow[JobView]:
        """Wait until nothing of the job is left to do; `WaitTimeout` after `timeout_s`.

        A failed job is an answer, not an error: look at `.succeeded`. Progress goes to stderr;
        `progress=False` keeps silent.
        """
        with showing(progress) as show:
            return (yield from until_finished(self.id, timeout_s, show))

    @operation
    def cancel(self, tasks: Slice = None, reason: str = "cancelled by its user") -> Flow[Cancelled]:
        """Cancel all of the job, or some of its tasks: `sweep.cancel("0-99,200")`."""
        chosen = None if tasks is None else show_slice(tasks)
        return (yield from send(calls.cancel(self.id, chosen, reason)))

    @operation
    def retry_failed(self, tasks: Slice = None) -> Flow[int]:
        """Try failed tasks again from a fresh first attempt; returns how many there were."""
        chosen = None if tasks is None else show_slice(tasks)
        return (yield from send(calls.retry(self.id, chosen))).count

    @operation
    def set_priority(self, priority: int) -> Flow[JobView]:
        """Change the order within the tenant (0 to 9999; higher goes first)."""
        return (yield from send(calls.set_priority(self.id, priority)))

    @operation
    def move(self, tenant: str | None = None, tier: str | None = None) -> Flow[JobView]:
        """Move what waits to another tenant or tier."""
        return (yield from send(calls.move(self.id, tenant, tier)))


class _OfTask:
    """What can be asked of one task; a single job is its own task 0."""

    id: str
    index: int

    @operation
    def logs(self, attempt: int | None = None) -> Flow[str]:
        """All output so far of an attempt (1, 2, ...), the last one by default."""
        pages: list[str] = []
        after: str | None = None
        while True:
            page = yield from send(calls.logs(self.id, self.index, after, attempt))
            pages.append(page.text)
            if page.next is None or page.next == after or not page.text:
                return "".join(pages)
            after = page.next

    @operation
    def log_page(self, after: str | None = None, attempt: int | None = None) -> Flow[LogText]:
        """The output from `after` on (a page's `next`), to follow a task that runs."""
        return (yield from send(calls.logs(self.id, self.index, after, attempt)))

    @operation
    def usage(self) -> Flow[Usage | None]:
        """What the last attempt that ended really used; None while there is none."""
        return (yield from send(calls.usage(self.id, self.index)))

    @operation
    def attempts(self) -> Flow[list[AttemptView]]:
        """All attempts, oldest first."""
        return (yield from send(calls.attempts(self.id, self.index)))

    @operation
    def estimate(self) -> Flow[Estimate | None]:
        """What the predictor foretold; None until the broker's next cycle."""
        return (yield from send(calls.task(self.id, self.index))).estimate


class _OfSweep(_OfJob):
    """What can be asked of many tasks together."""

    @operation
    def counts(self) -> Flow[dict[State, int]]:
        """How many tasks stand in each state."""
        return (yield from send(calls.job(self.id))).counts

    @operation
    def shapes(self) -> Flow[list[Shape]]:
        """The predicted shapes, with the tasks that wait in each and what holds them."""
        return (yield from send(calls.shapes(self.id)))

    @operation
    def tasks(
        self, state: State | None = None, after: int = -1, limit: int = 100
    ) -> Flow[TaskList]:
        """A page of tasks by index, those in one state if asked for."""
        return (yield from send(calls.tasks(self.id, state, after, limit)))


def flat(row: ResultRow) -> dict[str, Any]:
    """A row of a table: its parameters are columns, `parameter.NAME`, as in a history."""
    told = row.model_dump(mode="json")
    parameters = told.pop("parameters")
    return told | {f"parameter.{name}": value for name, value in parameters.items()}


class _Named:
    """A handle reads like boto3's answer too: `handle["jobId"]`."""

    def __init__(self, job_id: str, name: str = "") -> None:
        self.id = job_id
        self.name = name

    def __getitem__(self, key: str) -> str:
        return {"jobId": self.id, "jobName": self.name}[key]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name or 'job'} {self.id}>"


class _OnSync(Sync):
    client: Sync

    def run(self, flow: Flow[T]) -> T:
        return self.client.run(flow)


class _OnAsync(Async):
    client: Async

    async def run(self, flow: Flow[T]) -> T:
        return await self.client.run(flow)


class _OneTask(_OfTask):
    """Task `index` of a sweep."""

    def __init__(self, job_id: str, index: int) -> None:
        self.id = job_id
        self.index = index

    @operation
    def describe(self) -> Flow[TaskView]:
        """All that the broker tells of the task: state, parameters, command, attempts."""
        return (yield from send(calls.task(self.id, self.index)))

    @operation
    def status(self) -> Flow[State]:
        """The state, in AWS Batch's words."""
        return (yield from send(calls.task(self.id, self.index))).state

    @operation
    def cancel(self, reason: str = "cancelled by its user") -> Flow[Cancelled]:
        """Cancel this task alone."""
        return (yield from send(calls.cancel(self.id, str(self.index), reason)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}:{self.index}>"


class TaskHandle(_OnSync, _OneTask):
    """One task of a sweep."""

    def __init__(self, client: Sync, job_id: str, index: int) -> None:
        super().__init__(job_id, index)
        self.client = client


class AsyncTaskHandle(_OnAsync, _OneTask):
    """One task of a sweep; its methods are awaited."""

    def __init__(self, client: Async, job_id: str, index: int) -> None:
        super().__init__(job_id, index)
        self.client = client


class JobHandle(_OnSync, _Named, _OfJob, _OfTask):
    """One submitted job."""

    index = 0

    def __init__(self, client: Sync, job_id: str, name: str = "") -> None:
        super().__init__(job_id, name)
        self.client = client


class AsyncJobHandle(_OnAsync, _Named, _OfJob, _OfTask):
    """One submitted job; its methods are awaited."""

    index = 0

    def __init__(self, client: Async, job_id: str, name: str = "") -> None:
        super().__init__(job_id, name)
        self.client = client


class SweepHandle(_OnSync, _Named, _OfSweep):
    """One submitted sweep."""

    def __init__(self, client: Sync, job_id: str, name: str = "") -> None:
        super().__init__(job_id, name)
        self.client = client

    def task(self, index: int) -> TaskHandle:
        """One task, by its index from 0."""
        return TaskHandle(self.client, self.id, index)


class AsyncSweepHandle(_OnAsync, _Named, _OfSweep):
    """One submitted sweep; its methods are awaited."""

    def __init__(self, client: Async, job_id: str, name: str = "") -> None:
        super().__init__(job_id, name)
        self.client = client

    def task(self, index: int) -> AsyncTaskHandle:
        """One task, by its index from 0."""
        return AsyncTaskHandle(self.client, self.id, index)
