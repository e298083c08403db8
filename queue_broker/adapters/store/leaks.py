"""leak: intents written ahead, the engine's answers, and the tasks that started."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pyroaring import BitMap
from sqlalchemy import Connection, Select, select

from headgate.lifecycle import State
from queue_broker.adapters.store import codec, outcomes, rows
from queue_broker.adapters.store.bulk import insert_rows, update_rows
from queue_broker.adapters.store.dialects import among
from queue_broker.adapters.store.ledger import Ledger
from queue_broker.adapters.store.schema import groups, leaks, starts
from queue_broker.adapters.store.working import WorkingGroup
from queue_broker.events import Started
from queue_broker.records import Changes, HandOver, Intent, Leak, Tasks

IN_FLIGHT = ("starting", "running")
#: What tells whether a leak changed: its own state, and where somebody moves its job to. Of the
#: tasks that are open or run their number is enough: no task comes back, or runs again.
CHANGING = (
    *(leaks.c[name] for name in ("n_open", "n_running", "cancelling", "engine_id")),
    *(leaks.c.handed_over_at_s, groups.c.tenant, groups.c.tier),
)


@dataclass(slots=True)
class WorkingLeak:
    """A leak's row while it is changed; its job's row is locked."""

    number: int
    name: str
    job: int
    group: int
    attempt: int
    open: BitMap
    running: BitMap
    cancelling: BitMap
    cancel_reason: str | None
    engine_id: str | None
    handed_over_at_s: float | None
    closed_at_s: float | None
    changed: bool = False

    def end(self, tasks: BitMap, at_s: float) -> None:
        """These tasks are over; the last one closes the leak."""
        self.open = self.open - tasks
        self.running = self.running - tasks
        self.cancelling = self.cancelling - tasks
        self.closed_at_s = None if self.open else at_s
        self.changed = True

    def values(self) -> dict[str, Any]:
        row = {name: getattr(self, name) for name in LEAK_MUTABLE}
        sizes = {"n_open": len(self.open), "n_running": len(self.running)}
        return row | sizes | {"number": self.number}


LEAK_MUTABLE = (
    *("open", "running", "cancelling", "cancel_reason"),
    *("engine_id", "handed_over_at_s", "closed_at_s"),
)
LEAK_COLUMNS = [leaks.c[name] for name in ("number", "name", "job", "group", "attempt")]


def load(connection: Connection, names: Collection[str]) -> tuple[Ledger, dict[str, WorkingLeak]]:
    """Lock the jobs of the named leaks, then read their groups and the leaks as they are now."""
    mine = among(connection, leaks.c.name, names)
    found = connection.execute(select(leaks.c.job, leaks.c.closed_at_s).where(mine)).all()
    ledger = Ledger(connection, {row.job for row in found if row.closed_at_s is None})
    query = select(*LEAK_COLUMNS, *(leaks.c[name] for name in LEAK_MUTABLE))
    open_ = mine & (leaks.c.closed_at_s.is_(None))
    working = (WorkingLeak(**row._mapping) for row in connection.execute(query.where(open_)))
    return ledger, {leak.name: leak for leak in working if leak.job in ledger.jobs}


def save(connection: Connection, changed: Iterable[WorkingLeak]) -> None:
    updated = [leak.values() for leak in changed if leak.changed]
    update_rows(connection, leaks, "number", updated)


def open_leaks(connection: Connection) -> list[Leak]:
    return [rows.to_leak(row) for row in connection.execute(select_open())]


def changed(connection: Connection, known: Mapping[str, Leak]) -> Changes:
    """Pass after pass most leaks are as they were: of those no more is read than tells so."""
    marks = connection.execute(select_marks()).all()
    moved = [number for number, name, *now in marks if now != mark_of(known.get(name))]
    mine = among(connection, leaks.c.number, moved)
    found = connection.execute(select_open().where(mine)).all() if moved else []
    there = {mark.name for mark in marks}
    gone = [name for name in known if name not in there]
    return Changes([rows.to_leak(row) for row in found], gone)


def mark_of(leak: Leak | None) -> list[Any] | None:
    """A leak as `CHANGING` reads it."""
    if leak is None:
        return None
    sizes = (len(leak.open), len(leak.running))
    handed = (leak.engine_id, leak.handed_over_at_s)
    return [*sizes, leak.cancelling, *handed, leak.tenant, leak.tier]


@cache
def select_marks() -> Select[Any]:
    query = select(leaks.c.number, leaks.c.name, *CHANGING)
    query = query.join(groups, leaks.c.group == groups.c.number)
    return query.where(leaks.c.n_open > 0).order_by(leaks.c.number)


@cache
def select_open() -> Select[Any]:
    return rows.select_leaks().where(leaks.c.n_open > 0).order_by(leaks.c.number)


def write_intents(connection: Connection, intents: Sequence[Intent], now_s: float) -> list[Leak]:
    numbers = {int(intent.group_id) for intent in intents}
    jobs_of = select(groups.c.job).where(among(connection, groups.c.number, numbers))
    ledger = Ledger(connection, set(connection.execute(jobs_of).scalars()))
    written = [
        leak_values(ledger, group, intent, now_s)
        for intent in intents
        if (group := ledger.by_number.get(intent.group_id))
        and may_drop(ledger, group, intent)
        and claim(group, intent)
    ]
    if not written:
        return []
    ledger.flush(now_s)
    insert_rows(connection, leaks, written)
    mine = among(connection, leaks.c.name, [row["name"] for row in written])
    found = connection.execute(rows.select_leaks().where(mine).order_by(leaks.c.number))
    return [rows.to_leak(row) for row in found]


def claim(group: WorkingGroup, intent: Intent) -> bool:
    """RUNNABLE -> STARTING, unless the group moved on since it was read."""
    fresh = group.state is State.RUNNABLE and group.version == intent.version
    if not fresh or not intent.tasks or not intent.tasks.issubset(group.waiting):
        return False
    group.move(intent.tasks, ("waiting",), "starting")
    return True


def may_drop(ledger: Ledger, group: WorkingGroup, intent: Intent) -> bool:
    """Whether those that go along to be stopped are as they were: cancelled, and nothing began."""
    if intent.dropped is None:
        return True
    failed = BitMap.union(BitMap(), *(one.failed for one in ledger.of(group.job)))
    return ledger.jobs[group.job].started_at_s is None and intent.dropped <= failed


def leak_values(
    ledger: Ledger, group: WorkingGroup, intent: Intent, now_s: float
) -> dict[str, Any]:
    job, dropped = ledger.jobs[group.job], intent.dropped or Tasks()
    tasks = intent.tasks | dropped
    return {
        "name": f"{job.job_id}-{job.next_leak()}",
        "job": group.job,
        "group": group.number,
        "attempt": group.attempt,
        "lane": intent.lane,
        "allocation": codec.dump_resources(intent.allocation),
        "tasks": tasks,
        "open": tasks,
        "running": Tasks(),
        "cancelling": dropped,
        "cancel_reason": job.reason if dropped else None,
        "n_tasks": len(tasks),
        "n_open": len(tasks),
        "first": tasks.min(),
        "last": tasks.max(),
        "created_at_s": now_s,
    }


def handed_over(connection: Connection, answers: Sequence[HandOver], now_s: float) -> None:
    ledger, found = load(connection, [answer.leak for answer in answers])
    for answer in answers:
        leak = found.get(answer.leak)
        if leak is None or leak.engine_id is not None:
            continue
        if answer.refused is not None:
            give_back(ledger, leak, answer.refused, now_s)
        else:
            leak.engine_id, leak.handed_over_at_s = answer.engine_id or leak.name, now_s
            leak.changed = True
    ledger.flush(now_s)
    save(connection, found.values())


def give_back(ledger: Ledger, leak: WorkingLeak, reason: str, now_s: float) -> None:
    """A refused leak's tasks wait again; those cancelled meanwhile fail."""
    group = ledger.by_number[leak.group]
    dropped = group.move(leak.cancelling, IN_FLIGHT, "failed")
    if dropped:
        ledger.jobs[leak.job].fail(dropped, leak.cancel_reason or "cancelled")
    if group.move(leak.open - dropped, IN_FLIGHT, "waiting"):
        group.hold = reason
    leak.end(leak.open, now_s)


def started(connection: Connection, events: Sequence[Started], now_s: float) -> None:
    times: dict[str, dict[int, float]] = defaultdict(dict)
    for event in events:
        times[event.leak].setdefault(event.task, event.at_s)
    ledger, found = load(connection, times)
    kept = []
    for leak in found.values():
        at_s = times[leak.name]
        fresh = (leak.open - leak.running) & BitMap(at_s)
        if not fresh:
            continue
        ledger.by_number[leak.group].move(fresh, ("starting",), "running")
        leak.running, leak.changed = leak.running | fresh, True
        ledger.jobs[leak.job].started(min(at_s[task] for task in fresh))
        data = outcomes.pack([{"at_s": at_s[task]} for task in fresh])
        kept.append({"leak": leak.number, "tasks": fresh, "data": data})
    ledger.flush(now_s)
    save(connection, found.values())
    insert_rows(connection, starts, kept)
