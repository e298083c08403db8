"""Rows of groups and jobs while they are changed: in memory, under the lock of the job's row."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pyroaring import BitMap

from headgate.lifecycle import State
from queue_broker.adapters.store.schema import COUNTS, TASK_SETS

#: What an update of a group writes.
MUTABLE = (
    *("shape", "estimate", "tenant", "tier", "priority", "state", "hold", "version"),
    *TASK_SETS,
)
COUNT_OF = dict(zip(State, COUNTS, strict=True))


@dataclass(slots=True)
class WorkingGroup:
    """A group's row while it is changed. Each task stands in exactly one of the five sets."""

    job: int
    attempt: int
    shape: str
    estimate: str | None
    tenant: str
    tier: str
    priority: int
    state: State
    queued_at_s: float
    hold: str | None = None
    version: int = 0
    waiting: BitMap = field(default_factory=BitMap)
    starting: BitMap = field(default_factory=BitMap)
    running: BitMap = field(default_factory=BitMap)
    succeeded: BitMap = field(default_factory=BitMap)
    failed: BitMap = field(default_factory=BitMap)
    number: int | None = None
    changed: bool = False

    def counts(self) -> Counter[State]:
        ran = {
            State.STARTING: len(self.starting),
            State.RUNNING: len(self.running),
            State.SUCCEEDED: len(self.succeeded),
            State.FAILED: len(self.failed),
        }
        waiting = len(self.waiting)
        return Counter(ran | {self.state: ran.get(self.state, 0) + waiting})

    def take(self, tasks: BitMap, *names: str) -> BitMap:
        """Remove tasks from the named sets; returns those that stood there."""
        taken = BitMap()
        for name in names:
            here: BitMap = getattr(self, name)
            found = here & tasks
            if found:
                here -= found
                setattr(self, name, here)
                taken |= found
                self.changed = True
        return taken

    def put(self, tasks: BitMap, name: str) -> None:
        if tasks:
            setattr(self, name, getattr(self, name) | tasks)
            self.changed = True

    def move(self, tasks: BitMap, sources: tuple[str, ...], name: str) -> BitMap:
        """Take from the sources and put into `name`; returns what moved."""
        moved = self.take(tasks, *sources)
        self.put(moved, name)
        return moved

    def values(self) -> dict[str, Any]:
        row: dict[str, Any] = {name: getattr(self, name) for name in MUTABLE}
        sizes = {f"n_{name}": len(row[name]) for name in TASK_SETS}
        return row | sizes | {"n_tasks": sum(sizes.values()), "state": self.state.value}


@dataclass(slots=True)
class WorkingJob:
    """A job's row while it is changed; the row is locked."""

    number: int
    job_id: str
    size: int
    tenant: str
    tier: str
    leaks: int
    started_at_s: float | None
    finished_at_s: float | None
    reason: str | None
    counts: Counter[State] = field(default_factory=Counter)
    changed: bool = False
    #: Tasks that failed while they waited, by the words for it.
    failed: dict[str, BitMap] = field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        return self.counts[State.SUCCEEDED] + self.counts[State.FAILED] == self.size

    def started(self, at_s: float) -> None:
        if self.started_at_s is None:
            self.started_at_s = at_s
            self.changed = True

    def explain(self, reason: str | None) -> None:
        self.reason, self.changed = reason, True

    def fail(self, tasks: BitMap, reason: str) -> None:
        """What waits goes no further."""
        self.explain(reason)
        self.failed[reason] = self.failed.get(reason, BitMap()) | tasks

    def next_leak(self) -> int:
        self.leaks += 1
        self.changed = True
        return self.leaks

    def values(self) -> dict[str, Any]:
        row: dict[str, Any] = {COUNT_OF[state]: self.counts[state] for state in State}
        kept = ("tenant", "tier", "leaks", "started_at_s", "finished_at_s", "reason")
        return row | {name: getattr(self, name) for name in kept}
