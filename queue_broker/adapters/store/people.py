"""What users do to jobs; all of it may be repeated."""

from __future__ import annotations

from pyroaring import BitMap
from sqlalchemy import Connection, select, update

from headgate.errors import InvalidInput, NotFound
from headgate.lifecycle import State
from queue_broker.adapters.store import failures, intake
from queue_broker.adapters.store.leaks import LEAK_COLUMNS, LEAK_MUTABLE, WorkingLeak, save
from queue_broker.adapters.store.ledger import Ledger
from queue_broker.adapters.store.schema import dependencies, jobs, leaks
from queue_broker.adapters.store.working import WorkingGroup
from queue_broker.records import JobId, Tasks


def lock(connection: Connection, job_id: JobId, tasks: Tasks | None) -> tuple[Ledger, int, BitMap]:
    """The job's ledger, its number, and the wanted tasks. `NotFound`, `InvalidInput`."""
    query = select(jobs.c.number, jobs.c.size).where(jobs.c.job_id == job_id, jobs.c.sealed)
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"there is no job {job_id!r}")
    everything = BitMap(range(row.size))
    if tasks is not None and not tasks.issubset(everything):
        raise InvalidInput.of("tasks", tasks.max(), f"indexes 0 to {row.size - 1}")
    return Ledger(connection, [row.number]), row.number, everything if tasks is None else tasks


def cancel(
    connection: Connection,
    job_id: JobId,
    tasks: Tasks | None,
    reason: str,
    in_flight: bool,
    now_s: float,
) -> Tasks:
    ledger, number, wanted = lock(connection, job_id, tasks)
    moved = (group.move(wanted, ("waiting",), "failed") for group in ledger.of(number))
    cancelled = BitMap.union(BitMap(), *moved)
    if cancelled:
        ledger.jobs[number].fail(cancelled, reason)
    marked = mark(connection, number, wanted, reason) if in_flight else BitMap()
    if marked:
        ledger.jobs[number].explain(reason)
    ledger.flush(now_s)
    return cancelled | marked


def mark(connection: Connection, number: int, wanted: BitMap, reason: str) -> BitMap:
    """Mark tasks in flight, for the cycle to stop; returns those not marked before."""
    query = select(*LEAK_COLUMNS, *(leaks.c[name] for name in LEAK_MUTABLE))
    query = query.where(leaks.c.job == number, leaks.c.n_open > 0)
    marked, found = BitMap(), [WorkingLeak(**r._mapping) for r in connection.execute(query)]
    for leak in found:
        fresh = (leak.open & wanted) - leak.cancelling
        if fresh:
            leak.cancelling, leak.cancel_reason = leak.cancelling | fresh, reason
            leak.changed = True
            marked |= fresh
    save(connection, found)
    return marked


def retry_failed(connection: Connection, job_id: JobId, tasks: Tasks | None, now_s: float) -> int:
    ledger, number, wanted = lock(connection, job_id, tasks)
    mine = dependencies.c.job == number
    depends = connection.execute(select(dependencies.c.number).where(mine)).first() is not None
    total = 0
    for group in ledger.of(number):
        again = group.take(wanted, "failed")
        if again:
            fresh = ledger.twin(group, 1, group.estimate, fresh_state(group, depends))
            fresh.put(again, "waiting")
            total += len(again)
            failures.forget(connection, number, again)
    if total and not any(group.failed for group in ledger.of(number)):
        ledger.jobs[number].explain(None)  # what succeeds now would seem to have failed
    ledger.flush(now_s)
    if depends and total:
        connection.execute(update(dependencies).where(mine).values(ripe=True))
    return total


def fresh_state(group: WorkingGroup, depends: bool) -> State:
    """RUNNABLE; but what was never estimated is estimated, and dependencies are looked at again."""
    if group.estimate is None:
        return State.SUBMITTED
    return State.PENDING if depends else State.RUNNABLE


def set_priority(connection: Connection, job_id: JobId, priority: int, now_s: float) -> None:
    ledger, number, _ = lock(connection, job_id, None)
    for group in ledger.of(number):
        group.priority, group.changed = priority, True
    ledger.flush(now_s)
    connection.execute(update(jobs).where(jobs.c.number == number).values(priority=priority))


def move(
    connection: Connection, job_id: JobId, tenant: str | None, tier: str | None, now_s: float
) -> None:
    ledger, number, _ = lock(connection, job_id, None)
    job = ledger.jobs[number]
    job.tenant, job.tier, job.changed = tenant or job.tenant, tier or job.tier, True
    intake.see(connection, [(job.tier, job.tenant)])
    for group in ledger.of(number):
        group.tenant, group.tier, group.changed = job.tenant, job.tier, True
    ledger.flush(now_s)
