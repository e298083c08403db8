"""observe: verdicts on ended attempts become the state of their tasks, and are remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pyroaring import BitMap
from sqlalchemy import Connection

from headgate.estimate import Estimate
from headgate.lifecycle import Cause, State
from queue_broker.adapters.store import codec, leaks
from queue_broker.adapters.store.bulk import insert_rows
from queue_broker.adapters.store.dialects import one_writer
from queue_broker.adapters.store.leaks import IN_FLIGHT, WorkingLeak
from queue_broker.adapters.store.ledger import Ledger
from queue_broker.adapters.store.outcomes import pack_ended
from queue_broker.adapters.store.schema import outcomes
from queue_broker.events import Ended
from queue_broker.verdicts import Fail, Judged, Requeue, Retry, Verdict

#: The most attempts that one row remembers; readers of a cursor unpack a row whole.
MOST_A_ROW = 10_000
CANCELLED = "cancelled"


@dataclass(slots=True)
class Verdicts:
    """What is to become of one leak's ended tasks."""

    ended: dict[int, tuple[Ended, str | None]] = field(default_factory=dict)
    succeeded: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    requeued: list[int] = field(default_factory=list)
    retried: dict[str, tuple[Estimate, list[int]]] = field(default_factory=dict)
    reason: str | None = None

    def add(self, ended: Ended, verdict: Verdict) -> None:
        task = ended.task
        reason = ended.reason if ended.reason is not None else getattr(verdict, "reason", None)
        self.ended[task] = (ended, reason)
        if isinstance(verdict, Retry):
            shape = codec.shape_of(verdict.estimate)
            self.retried.setdefault(shape, (verdict.estimate, []))[1].append(task)
        elif isinstance(verdict, Requeue):
            self.requeued.append(task)
        elif isinstance(verdict, Fail):
            self.failed.append(task)
            self.reason = verdict.reason
        else:
            self.succeeded.append(task)


def settle(connection: Connection, judged: Sequence[Judged], now_s: float) -> list[Judged]:
    # Numbers of outcomes must become visible in their order, or a cursor would step over some.
    one_writer(connection, "outcomes")
    ledger, found = leaks.load(connection, {item.ended.leak for item in judged})
    verdicts: dict[str, Verdicts] = {name: Verdicts() for name in found}
    fresh = [item for item in judged if note(item, found, verdicts)]
    written: list[dict[str, Any]] = []
    for name, verdict in verdicts.items():
        if verdict.ended:
            apply(ledger, found[name], verdict)
            written += outcome_values(found[name], verdict)
    ledger.flush(now_s)
    leaks.save(connection, found.values())
    insert_rows(connection, outcomes, written)
    return fresh


def note(item: Judged, found: dict[str, WorkingLeak], verdicts: dict[str, Verdicts]) -> bool:
    """Whether this end was not known before; what somebody cancelled is not tried again, and
    fails in the words of who cancelled it."""
    ended, leak = item.ended, found.get(item.ended.leak)
    if leak is None or ended.task not in leak.open or ended.task in verdicts[leak.name].ended:
        return False
    verdict = item.verdict
    stopped = ended.cause is Cause.CANCELLED or isinstance(verdict, (Requeue, Retry))
    if stopped and ended.task in leak.cancelling:
        verdict = Fail(leak.cancel_reason or CANCELLED)
    verdicts[leak.name].add(ended, verdict)
    return True


def apply(ledger: Ledger, leak: WorkingLeak, verdicts: Verdicts) -> None:
    group, job = ledger.by_number[leak.group], ledger.jobs[leak.job]
    group.move(BitMap(verdicts.succeeded), IN_FLIGHT, "succeeded")
    group.move(BitMap(verdicts.failed), IN_FLIGHT, "failed")
    group.move(BitMap(verdicts.requeued), IN_FLIGHT, "waiting")
    for estimate, tasks in verdicts.retried.values():
        bigger = ledger.twin(group, leak.attempt + 1, estimate, State.RUNNABLE)
        bigger.put(group.take(BitMap(tasks), *IN_FLIGHT), "waiting")
    if verdicts.reason is not None:
        job.explain(verdicts.reason)
    times = [ended.at_s for ended, _ in verdicts.ended.values()]
    began = [ended.started_at_s or ended.at_s for ended, _ in verdicts.ended.values() if ran(ended)]
    if began:
        job.started(min(began))
    leak.end(BitMap(verdicts.ended), max(times))


def ran(ended: Ended) -> bool:
    """Not what was taken back, stopped or refused before its process began."""
    return ended.started_at_s is not None or ended.exit_code is not None


def outcome_values(leak: WorkingLeak, verdicts: Verdicts) -> list[dict[str, Any]]:
    tasks = sorted(verdicts.ended)
    parts = [tasks[start : start + MOST_A_ROW] for start in range(0, len(tasks), MOST_A_ROW)]
    return [
        {
            "leak": leak.number,
            "job": leak.job,
            "tasks": BitMap(part),
            "n_tasks": len(part),
            "data": pack_ended([verdicts.ended[task] for task in part]),
        }
        for part in parts
    ]
