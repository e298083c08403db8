"""What the engine knows of each leak that AWS Batch has. Nothing here calls anybody."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from headgate.lifecycle import Cause
from headgate.resources import Resources
from queue_broker.nodes import Nodes, nodes_of
from queue_broker.records import Leak, Tasks

#: Of so many leaks that are over, name and id are remembered.
MOST_FINISHED = 10_000


@dataclass(slots=True)
class Tracked:
    """One leak. Child k of its array job is the k-th of its tasks."""

    leak: Leak
    job_id: str
    since_s: float
    started: Tasks = field(default_factory=Tasks)
    ended: Tasks = field(default_factory=Tasks)
    acknowledged: Tasks = field(default_factory=Tasks)
    counts: Mapping[str, int] = field(default_factory=dict)  #: of the states when they were listed
    finished: int = 0  #: children that have ended, by the last statusSummary
    due_s: float = 0.0  #: when to look at it next
    listed_s: float = float("-inf")  #: when its children were last listed
    again_s: float = float("inf")  #: when to ask again for the end of what is to be stopped
    pause_s: float = 0.0  #: between the last two times

    @property
    def array(self) -> bool:
        return len(self.leak.tasks) > 1

    @property
    def nodes(self) -> Nodes | None:
        """Of a multi-node job."""
        return nodes_of(self.leak)

    @property
    def open(self) -> Tasks:
        return self.leak.open - self.ended

    @property
    def over(self) -> bool:
        """Whether the store has every end."""
        return self.leak.open <= self.acknowledged

    @property
    def untold(self) -> int:
        """Tasks that have ended in Batch and not yet in the store."""
        before = len(self.leak.tasks) - len(self.leak.open)
        return max(self.finished - before, len(self.ended)) - len(self.acknowledged)

    def asked_to_stop(self, now_s: float, first_s: float, most_s: float) -> None:
        """Look whether it came to that and ask again: after `first_s`, then after twice as long."""
        self.pause_s = min(max(first_s, 2 * self.pause_s), most_s)
        self.again_s = now_s + self.pause_s
        self.due_s = min(self.due_s, self.again_s)

    def child(self, task: int) -> str:
        """Batch's id of one task; of a multi-node job that of the node with this place."""
        if nodes := self.nodes:
            return f"{self.job_id}#{nodes.seat(task)}"
        if not self.array:
            return self.job_id
        return f"{self.job_id}:{self.leak.tasks.rank(task) - 1}"

    def task(self, index: int) -> int | None:
        return self.leak.tasks[index] if 0 <= index < len(self.leak.tasks) else None


@dataclass(slots=True)
class Tracker:
    """All leaks in Batch, by name and by id; those asked for without a clear answer; wishes to
    stop, which outlive an unclear answer."""

    by_name: dict[str, Tracked] = field(default_factory=dict)
    by_id: dict[str, Tracked] = field(default_factory=dict)
    unclear: dict[str, float] = field(default_factory=dict)  #: by name: since when
    stopping: dict[str, dict[int, Cause]] = field(default_factory=dict)
    finished: OrderedDict[str, Tracked] = field(default_factory=OrderedDict)

    def add(self, leak: Leak, job_id: str, now_s: float) -> Tracked:
        self.unclear.pop(leak.name, None)
        if leak.name in self.by_name:
            return self.by_name[leak.name]
        found = Tracked(leak, job_id, now_s, started=Tasks(leak.running))
        self.by_name[leak.name] = self.by_id[job_id] = found
        return found

    def correct(self, tracked: Tracked, job_id: str) -> None:
        """It is known under another id; look at it at once."""
        self.by_id.pop(tracked.job_id, None)
        tracked.job_id, tracked.due_s = job_id, 0.0
        self.by_id[job_id] = tracked

    def id_of(self, name: str) -> str | None:
        found = self.by_name.get(name) or self.finished.get(name)
        return found.job_id if found else None

    def known(self, name: str) -> Tracked | None:
        return self.by_name.get(name) or self.finished.get(name)

    def untold(self) -> dict[str, tuple[tuple[Resources, int], ...]]:
        """By lane: the sizes of tasks that have ended and that the store takes to be there still,
        and how many of each."""
        found: dict[str, Counter[Resources]] = defaultdict(Counter)
        for one in self.by_name.values():
            if one.untold > 0:
                found[one.leak.lane][one.leak.allocation] += one.untold
        return {lane: tuple(counts.items()) for lane, counts in found.items()}

    def acknowledge(self, name: str, tasks: Tasks) -> None:
        """The store has these ends; a leak whose ends it has all is remembered by name alone."""
        found = self.by_name.get(name)
        if found is None:
            return
        found.acknowledged |= tasks
        if found.over:
            del self.by_name[name], self.by_id[found.job_id]
            self.stopping.pop(name, None)
            self.finished[name] = found
            while len(self.finished) > MOST_FINISHED:
                self.finished.popitem(last=False)

    def stop(self, name: str, tasks: Tasks, cause: Cause) -> None:
        if tasks:
            self.stopping.setdefault(name, {}).update(dict.fromkeys(tasks, cause))

    def wished(self, name: str) -> Tasks:
        """The tasks of a leak that are to be stopped, or were."""
        return Tasks(self.stopping.get(name, {}))

    def stopped(self, name: str, task: int) -> Cause | None:
        return self.stopping.get(name, {}).get(task)
