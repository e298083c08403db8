"""How a way of sizing memory is judged: task by task, each learnt from only after it was charged.

The charge is the one of Sizey's simulator (Bader et al., CLUSTER 2024): an attempt given less
than the need fails and costs all that it was given for the whole runtime; the one that suffices
costs what it was given beyond the need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Protocol

MS_PER_HOUR = 3_600_000.0
BYTES_PER_GB = 1e9
#: The memory of the evaluation's nodes.
NODE_BYTES = 128e9
#: A method that has not got there by then never will.
MAX_ATTEMPTS = 40


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a trace: what is known before it runs (0: it is not), and what it used."""

    index: int
    process: str
    input_bytes: float
    requested_bytes: float
    need_bytes: float
    runtime_ms: float
    submit_ms: float = 0.0
    complete_ms: float = 0.0
    sample: str = ""

    @property
    def preset_bytes(self) -> float:
        """What it is given where nothing is foretold: its request; without one, a node."""
        return self.requested_bytes or NODE_BYTES


class Method(Protocol):
    """A way of sizing the tasks of one process."""

    def learn(self, task: Task, lost: Sequence[float] = ()) -> None:
        """Take in a task that has ended; `lost` is what its failed attempts were given."""

    def first(self, task: Task) -> float:
        """The bytes that the first attempt is given."""

    def again(self, task: Task, given: float) -> float:
        """The bytes for the next attempt, after one that was given too little."""


@dataclass(slots=True)
class Bill:
    """What a method cost over some tasks: GB-hours wasted, attempts lost, tasks judged."""

    gbh: float = 0.0
    failures: int = 0
    failed_tasks: int = 0
    tasks: int = 0

    def add(self, other: Bill) -> None:
        self.gbh += other.gbh
        self.failures += other.failures
        self.failed_tasks += other.failed_tasks
        self.tasks += other.tasks


def charge(method: Method, task: Task) -> tuple[Bill, list[float]]:
    """Run one task's attempts in imagination, until one is given enough: what it cost, and what
    the lost ones were given. None of it is learnt yet.
    """
    hours = task.runtime_ms / MS_PER_HOUR / BYTES_PER_GB
    lost: list[float] = []
    given = method.first(task)
    while given < task.need_bytes and len(lost) < MAX_ATTEMPTS:
        lost.append(given)
        given = method.again(task, given)
    gbh = (sum(lost) + given - task.need_bytes) * hours
    return Bill(gbh, len(lost), int(bool(lost)), 1), lost


def replay(method: Method, history: Iterable[Task], tasks: Iterable[Task]) -> Bill:
    """Learn the history, then size the tasks one by one, each learnt from once it was charged."""
    for task in history:
        method.learn(task)
    total = Bill()
    for task in tasks:
        bill, lost = charge(method, task)
        total.add(bill)
        method.learn(task, lost)
    return total


def replay_in_time(
    method_of: Callable[[str], Method], history: Iterable[Task], tasks: Iterable[Task]
) -> Bill:
    """Learn the history, then size the tasks as submitted; each is learnt from once it has
    completed, and so are the attempts that it lost: when they failed, no trace says.

    `method_of` gives the method that sizes a process: one for each, or one for all of them.
    """
    for task in sorted(history, key=lambda item: (item.complete_ms, item.index)):
        method_of(task.process).learn(task)
    total = Bill()
    running: list[tuple[float, int, Task, list[float]]] = []
    for task in sorted(tasks, key=lambda item: (item.submit_ms, item.index)):
        while running and running[0][0] <= task.submit_ms:
            *_, done, lost = heappop(running)
            method_of(done.process).learn(done, lost)
        bill, lost = charge(method_of(task.process), task)
        total.add(bill)
        heappush(running, (task.complete_ms, task.index, task, lost))
    return total
