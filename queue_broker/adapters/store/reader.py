"""Reads for people. Nothing here takes a lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from pyroaring import BitMap
from sqlalchemy import Connection, Row, Select, select

from headgate.errors import InvalidInput, NotFound
from headgate.lifecycle import Cause, State
from queue_broker.adapters.store import codec, failures, rows
from queue_broker.adapters.store.dialects import among
from queue_broker.adapters.store.gate import AT_GATE
from queue_broker.adapters.store.outcomes import ended_at, unpack
from queue_broker.adapters.store.schema import chunks, groups, jobs, leaks, outcomes, starts
from queue_broker.records import Attempt, Chunk, Group, Hold, JobId, JobRecord

PAGE = 100
#: Groups that are looked at for each line of what is held: what a large sweep has, and some.
SHAPES = 40
#: The columns of a `Hold`.
HELD = (
    jobs.c.job_id,
    jobs.c.name,
    groups.c.tier,
    groups.c.tenant,
    groups.c.priority,
    groups.c.n_waiting,
    groups.c.queued_at_s,
    groups.c.hold,
)
#: The sets of a group by the state they hold; the waiting ones stand in the group's own state.
SET_OF = {
    State.STARTING: "starting",
    State.RUNNING: "running",
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
}


def find(connection: Connection, job_id: JobId) -> Row[Any]:
    row = connection.execute(rows.select_jobs().where(jobs.c.job_id == job_id)).first()
    if row is None:
        raise NotFound(f"there is no job {job_id!r}")
    return row


def find_task(connection: Connection, job_id: JobId, task: int) -> Row[Any]:
    row = find(connection, job_id)
    if not 0 <= task < row.size:
        raise NotFound(f"job {job_id!r} has no task {task}; it has 0 to {row.size - 1}")
    return row


def job(connection: Connection, job_id: JobId) -> JobRecord:
    return rows.to_job(find(connection, job_id))


def list_jobs(connection: Connection, filters: Mapping[str, str | int | None]) -> list[JobRecord]:
    given = {name: value for name, value in filters.items() if value is not None}
    limit = int(given.pop("limit", PAGE))
    query = rows.select_jobs().order_by(jobs.c.number.desc()).limit(limit)
    if "after" in given:
        query = query.where(jobs.c.number < place_of(connection, given.pop("after")))
    for name, value in given.items():
        if name not in {"tenant", "tier", "queue", "name", "state"}:
            raise InvalidInput.of(name, value, "tenant, tier, queue, name, state, after, limit")
        query = query.where(jobs.c[name] == value)
    return [rows.to_job(row) for row in connection.execute(query)]


def place_of(connection: Connection, job_id: str | int | None) -> int:
    """Where a page goes on. `InvalidInput`: an empty page would tell that there are no more."""
    number: int | None = connection.execute(
        select(jobs.c.number).where(jobs.c.job_id == job_id)
    ).scalar()
    if number is None:
        raise InvalidInput.of("after", job_id, "a job that is kept: the `next` of a page")
    return number


def list_groups(connection: Connection, job_id: JobId) -> list[Group]:
    number = find(connection, job_id).number
    query = rows.select_groups().where(groups.c.job == number).order_by(groups.c.number)
    return [rows.to_group(row) for row in connection.execute(query)]


def state_of(connection: Connection, job_id: JobId, task: int) -> tuple[State, Group]:
    number = find_task(connection, job_id, task).number
    for row in connection.execute(select_sets().where(groups.c.job == number)):
        for state, name in SET_OF.items():
            if task in row._mapping[name]:
                return state, rows.to_group(row)
        if task in row.waiting:
            return State(row.state), rows.to_group(row)
    raise NotFound(f"task {task} of job {job_id!r} stands in no group")


def select_sets() -> Select[Any]:
    sets = (groups.c[name] for name in SET_OF.values())
    return rows.select_groups().add_columns(*sets).order_by(groups.c.number)


def tasks_in(
    connection: Connection, job_id: JobId, state: State, after: int, limit: int
) -> list[int]:
    number = find(connection, job_id).number
    column = groups.c[SET_OF.get(state, "waiting")]
    query = select(column).where(groups.c.job == number)
    if state not in SET_OF:
        query = query.where(groups.c.state == state.value)
    found = BitMap.union(BitMap(), *connection.execute(query).scalars())
    return list(islice(found.iter_equal_or_larger(max(0, after + 1)), limit))


def attempts(connection: Connection, job_id: JobId, task: int) -> list[Attempt]:
    number = find_task(connection, job_id, task).number
    near = (leaks.c.job == number) & (leaks.c.first <= task) & (leaks.c.last >= task)
    query = select(leaks).where(near).order_by(leaks.c.number)
    found = {row.number: row for row in connection.execute(query) if task in row.tasks}
    began = find_starts(connection, found, task)
    ended = find_ends(connection, found, task)
    return [
        to_attempt(row, task, began.get(number), ended.get(number), child_of(row, task))
        for number, row in found.items()
    ]


def find_starts(connection: Connection, found: Mapping[int, Any], task: int) -> dict[int, float]:
    query = select(starts).where(among(connection, starts.c.leak, found))
    return {
        row.leak: unpack(row.data, len(row.tasks))["at_s"][row.tasks.rank(task) - 1]
        for row in connection.execute(query)
        if task in row.tasks
    }


def find_ends(
    connection: Connection, found: Mapping[int, Any], task: int
) -> dict[int, dict[str, Any]]:
    query = select(outcomes).where(among(connection, outcomes.c.leak, found))
    return {
        row.leak: ended_at(unpack(row.data, row.n_tasks), row.tasks.rank(task) - 1)
        for row in connection.execute(query)
        if task in row.tasks
    }


def to_attempt(
    leak: Row[Any],
    task: int,
    began_s: float | None,
    end: Mapping[str, Any] | None,
    child: str | None = None,
) -> Attempt:
    known = end or {"cause": None, "usage": None}
    cause: Cause | None = known["cause"]
    reason: str | None = known.get("reason")
    if cause is Cause.CANCELLED:  # the engine knows only that it was, the leak whose wish it was
        reason = leak.cancel_reason or reason
    return Attempt(
        task=task,
        attempt=leak.attempt,
        leak=leak.name,
        lane=leak.lane,
        allocation=codec.load_resources(leak.allocation),
        created_at_s=leak.created_at_s,
        started_at_s=known.get("started_at_s") or began_s,
        stopped_at_s=known.get("at_s"),
        cause=cause,
        exit_code=known.get("exit_code"),
        reason=reason,
        usage=known["usage"],
        child=child,
    )


def child_of(leak: Row[Any], task: int) -> str | None:
    """The engine's id of a leak's task, as AWS Batch names those of an array job."""
    engine_id: str | None = leak.engine_id
    if engine_id is None or len(leak.tasks) == 1:
        return engine_id
    return f"{engine_id}:{leak.tasks.rank(task) - 1}"


def failure(connection: Connection, job_id: JobId, task: int) -> str | None:
    number = find_task(connection, job_id, task).number
    return dict(failures.reasons(connection, {number: [task]})).get((number, task))


def chunk(connection: Connection, job_id: JobId, task: int) -> Chunk:
    number = find_task(connection, job_id, task).number
    query = select(chunks).where(chunks.c.job == number, chunks.c.first <= task)
    row = connection.execute(query.order_by(chunks.c.first.desc()).limit(1)).first()
    if row is None:
        raise NotFound(f"job {job_id!r} has no table")
    return Chunk(row.first, row.rows, row.data)


def next_chunk(connection: Connection, job_id: JobId, first: int) -> Chunk | None:
    number = find(connection, job_id).number
    query = select(chunks).where(chunks.c.job == number, chunks.c.first >= first)
    row = connection.execute(query.order_by(chunks.c.first).limit(1)).first()
    return None if row is None else Chunk(row.first, row.rows, row.data)


def held(connection: Connection, limit: int) -> list[Hold]:
    """A sweep's shapes that wait for one reason are one line; none of their sets is read."""
    order = (groups.c.tier, groups.c.tenant, groups.c.priority.desc())
    query = select(*HELD).join(jobs, groups.c.job == jobs.c.number)
    query = query.where(AT_GATE, groups.c.hold.is_not(None))
    query = query.order_by(*order, groups.c.queued_at_s, groups.c.number)
    found: dict[tuple[str, str], Hold] = {}
    for row in connection.execute(query.limit(limit * SHAPES)):
        one = Hold(*row)
        known = found.get((one.job_id, one.reason))
        tasks = one.tasks + (known.tasks if known else 0)
        found[one.job_id, one.reason] = replace(known or one, tasks=tasks)
    return list(found.values())[:limit]
