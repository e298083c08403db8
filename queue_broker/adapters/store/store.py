"""The store: every port method is one transaction around one function of a module beside this."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from sqlalchemy import Connection, text

from headgate.lifecycle import State
from headgate.tenancy import Tenant
from headgate.usage import Observation
from queue_broker.adapters.store import (
    dependants,
    directory,
    gate,
    history,
    intake,
    keeper,
    leaks,
    people,
    reader,
    results,
    settle,
    tables,
)
from queue_broker.adapters.store.database import Database
from queue_broker.adapters.store.leadership import leadership
from queue_broker.adapters.store.migrate import upgrade
from queue_broker.events import Started
from queue_broker.ports import Clock
from queue_broker.records import (
    Accepted,
    Attempt,
    Backlog,
    Changes,
    Chunk,
    Group,
    GroupId,
    HandOver,
    Hold,
    Intent,
    JobId,
    JobRecord,
    Leak,
    Result,
    Split,
    Submission,
    Tasks,
)
from queue_broker.verdicts import Judged


class SqlStore:
    """`queue_broker.ports.Store` on SQLite or PostgreSQL; safe to share among threads."""

    def __init__(self, url: str, clock: Clock = time.time) -> None:
        self.database = Database(url)
        self.clock = clock
        self._seen: Mapping[int, Group] = {}  #: what was eligible when asked last; never changed
        try:
            upgrade(self.database)
        except BaseException:
            self.database.close()
            raise
        self._leadership = leadership(self.database.engine, self.database.folder)

    # Intake

    @property
    def abreast(self) -> int:
        """SQLite has one writer at a time."""
        return 1 if self.database.is_sqlite else 2

    def add(self, submissions: Sequence[Submission]) -> list[Accepted | Exception]:
        return self.database.write(intake.add, submissions) if submissions else []

    def begin_table(self, submission: Submission) -> Accepted:
        return self.database.write(tables.begin, submission)

    def add_chunk(self, job_id: JobId, chunk: Chunk) -> None:
        self.database.write(tables.add_chunk, job_id, chunk)

    def seal_table(self, job_id: JobId, size: int) -> None:
        self.database.write(tables.seal, job_id, size)

    def drop_table(self, job_id: JobId) -> None:
        self.database.write(tables.drop, job_id)

    # CycleStore

    def submitted(self, limit: int, sweeps: int) -> list[Group]:
        return self.database.read(gate.submitted, limit, sweeps)

    def estimated(self, answers: Sequence[tuple[Group, Sequence[Split]]]) -> list[bool]:
        return self.database.write(gate.estimated, answers, self.clock()) if answers else []

    def settle_dependencies(self, limit: int) -> int:
        return self.database.write(dependants.settle, limit, self.clock())

    def eligible(self, per_tenant: int) -> list[Group]:
        found = self.heads(per_tenant)
        self._seen = {group.group_id: group for group in found}
        return found

    def heads(self, per_tenant: int) -> list[Group]:
        seen = self._seen
        holds, moved = self.database.read(gate.look, per_tenant, seen)
        return gate.eligible(holds, moved, seen)

    def waits(self, per_tenant: int) -> dict[str, float]:
        return self.database.read(gate.waits, per_tenant)

    def backlog(self) -> list[Backlog]:
        return self.database.read(gate.backlog)

    def open_leaks(self) -> list[Leak]:
        return self.database.read(leaks.open_leaks)

    def changed_leaks(self, known: Mapping[str, Leak]) -> Changes:
        return self.database.read(leaks.changed, known)

    def write_intents(self, intents: Sequence[Intent], now_s: float) -> list[Leak]:
        return self.database.write(leaks.write_intents, intents, now_s) if intents else []

    def handed_over(self, answers: Sequence[HandOver], now_s: float) -> None:
        if answers:
            self.database.write(leaks.handed_over, answers, now_s)

    def started(self, events: Sequence[Started]) -> None:
        if events:
            self.database.write(leaks.started, events, self.clock())

    def settle(self, judged: Sequence[Judged]) -> list[Judged]:
        return self.database.write(settle.settle, judged, self.clock()) if judged else []

    def hold(self, reasons: Mapping[GroupId, str]) -> None:
        if reasons:
            self.database.write(gate.hold, reasons)

    # People

    def cancel(
        self, job_id: JobId, tasks: Tasks | None, reason: str, *, in_flight: bool = True
    ) -> Tasks:
        return self.database.write(people.cancel, job_id, tasks, reason, in_flight, self.clock())

    def retry_failed(self, job_id: JobId, tasks: Tasks | None) -> int:
        return self.database.write(people.retry_failed, job_id, tasks, self.clock())

    def set_priority(self, job_id: JobId, priority: int) -> None:
        self.database.write(people.set_priority, job_id, priority, self.clock())

    def move(self, job_id: JobId, tenant: str | None, tier: str | None) -> None:
        self.database.write(people.move, job_id, tenant, tier, self.clock())

    # Reader

    def job(self, job_id: JobId) -> JobRecord:
        return self.database.read(reader.job, job_id)

    def jobs(self, **filters: str | int | None) -> list[JobRecord]:
        return self.database.read(reader.list_jobs, filters)

    def groups(self, job_id: JobId) -> list[Group]:
        return self.database.read(reader.list_groups, job_id)

    def state_of(self, job_id: JobId, task: int) -> tuple[State, Group]:
        return self.database.read(reader.state_of, job_id, task)

    def tasks_in(self, job_id: JobId, state: State, after: int, limit: int) -> list[int]:
        return self.database.read(reader.tasks_in, job_id, state, after, limit)

    def attempts(self, job_id: JobId, task: int) -> list[Attempt]:
        return self.database.read(reader.attempts, job_id, task)

    def failure(self, job_id: JobId, task: int) -> str | None:
        return self.database.read(reader.failure, job_id, task)

    def chunk(self, job_id: JobId, task: int) -> Chunk:
        return self.database.read(reader.chunk, job_id, task)

    def chunks(self, job_id: JobId) -> Iterator[Chunk]:
        """Each chunk is a read of its own: a slow reader must not hold a snapshot open."""
        first = 0
        while (chunk := self.database.read(reader.next_chunk, job_id, first)) is not None:
            yield chunk
            first = chunk.first + chunk.rows

    def held(self, limit: int) -> list[Hold]:
        return self.database.read(reader.held, limit)

    def observations(self, after: int, limit: int) -> tuple[list[Observation], int]:
        return self.database.read(history.observations, after, limit)

    def results(self, job_id: JobId, after: int, limit: int) -> tuple[list[Result], int | None]:
        return self.database.read(results.results, job_id, after, limit)

    def lessons(self, after: int | None, batches: int, each: int) -> tuple[list[Observation], int]:
        return self.database.read(history.lessons, after, batches, each)

    # Keeper

    def unexported(self, limit: int) -> tuple[list[Observation], tuple[int, int] | None]:
        return self.database.read(history.unexported, limit)

    def exported(self, span: tuple[int, int]) -> None:
        self.database.write(history.exported, span)

    def sweep_out(self, finished_before_s: float, limit: int) -> int:
        return self.database.write(keeper.sweep_out, finished_before_s, limit, self.clock())

    # Directory

    def tenants(self) -> list[Tenant]:
        return self.database.read(directory.tenants)

    def put_tenant(self, tenant: Tenant) -> None:
        self.database.write(directory.put_tenant, tenant)

    # Leadership

    def try_lead(self) -> bool:
        return self._leadership.try_lead()

    def resign(self) -> None:
        self._leadership.resign()

    def ping(self) -> None:
        self.database.read(ask)

    def close(self) -> None:
        self.resign()
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def ask(connection: Connection) -> None:
    connection.execute(text("SELECT 1"))
