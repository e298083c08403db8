"""Engines under contract, each with the world that it acts on.

A command is one of: `true`; `sh -c 'exit 3'`; `sleep 600`, which runs until it is stopped. What a
start leaves behind is looked at apart from the engine: `starts` counts them in the world itself.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headgate.job import Job
from headgate.lifecycle import Cause
from headgate.resources import Resources
from queue_broker.adapters.engines.instant import InstantEngine, Outcome, World
from queue_broker.adapters.engines.local.engine import LocalEngine, LocalSettings
from queue_broker.events import Ended, Event, Started
from queue_broker.records import GroupId, HandOver, JobId, Lane, Leak, LeakId, Table, Tasks

if TYPE_CHECKING:
    from queue_broker.ports import Engine

SUCCEEDS = ("sh", "-c", "echo started >>$STARTS/Ref::index; echo hello Ref::index")
FAILS = ("sh", "-c", "echo started >>$STARTS/Ref::index; exit 3")
RUNS_ON = ("sh", "-c", "echo started >>$STARTS/Ref::index; exec sleep 600")
PATIENCE_S = 20.0
SMALL = Resources(0.1, 64)


def a_leak(
    command: Iterable[str] = SUCCEEDS,
    tasks: Iterable[int] = (0,),
    *,
    name: str = "leak-1",
    allocation: Resources = SMALL,
    array: bool = False,
    **job: Any,
) -> Leak:
    """A leak as the store would write it."""
    given = Tasks(tasks)
    return Leak(
        leak_id=LeakId(1),
        name=name,
        group_id=GroupId(1),
        job_id=JobId(f"job-of-{name}"),
        job=Job(name="train", command=tuple(command), **job),
        tenant="acme",
        tier="sweep",
        attempt=1,
        lane="local",
        allocation=allocation,
        tasks=given,
        open=Tasks(given),
        running=Tasks(),
        created_at_s=0.0,
        size=max(given) + 1,
        array=array,
        parameters=Table.NONE,
    )


class Bench(ABC):
    """One engine that can be watched, and whose broker can die."""

    engine: Engine

    @abstractmethod
    def hand_over(self, *leaks: Leak) -> list[HandOver]:
        """Hand over, and let short commands come to their end."""

    @abstractmethod
    def crash(self) -> None:
        """The broker dies; what runs goes on. A new engine stands in `engine`."""

    @abstractmethod
    def starts(self, leak: Leak, task: int) -> int:
        """How often a task's process really began."""

    def close(self) -> None:
        self.engine.close()

    def collect(self, ends: int, starts: int = 0) -> list[Event]:
        """Events up to that many ends and starts, acknowledged as they come."""
        seen: list[Event] = []

        def enough() -> bool:
            events = self.engine.poll(100)
            self.engine.acknowledge(events)
            seen.extend(events)
            return len(endings(seen)) >= ends and count(Started, seen) >= starts

        wait_until(enough)
        return seen

    def until_ends_wait(self, ends: int) -> list[Event]:
        """Events, left unacknowledged."""
        wait_until(lambda: len(endings(self.engine.poll(100))) >= ends)
        return self.engine.poll(100)


class LocalBench(Bench):
    """Real processes; `cgroups` as in the engine's settings."""

    def __init__(self, folder: Path, cgroups: bool) -> None:
        self.marks = folder / "marks"
        self.marks.mkdir()
        self.settings = LocalSettings(
            folder / "data", cores=2, memory_mib=1024, grace_s=2, cgroups=cgroups
        )
        self.engine: LocalEngine = self._new()

    def _new(self) -> LocalEngine:
        return LocalEngine(self.settings, lambda leak, task: {"index": f"{leak.name}.{task}"})

    def hand_over(self, *leaks: Leak) -> list[HandOver]:
        return self.engine.hand_over([self.marked(leak) for leak in leaks])

    def marked(self, leak: Leak) -> Leak:
        """The commands leave a mark for each start in a folder of the test's."""
        leak.job.environment["STARTS"] = str(self.marks)
        return leak

    def crash(self) -> None:
        self.engine.detach()
        self.engine = self._new()

    def starts(self, leak: Leak, task: int) -> int:
        mark = self.marks / f"{leak.name}.{task}"
        return len(mark.read_text().splitlines()) if mark.exists() else 0


class InstantBench(Bench):
    """A world in memory."""

    def __init__(self) -> None:
        self.world = World()
        self.engine: InstantEngine = self._new()

    def _new(self) -> InstantEngine:
        lanes = [Lane("local", Resources(2, 1024))]
        return InstantEngine(lanes, time.time, world=self.world, at_once=False)

    def hand_over(self, *leaks: Leak) -> list[HandOver]:
        answers = self.engine.hand_over(leaks)
        for leak, answer in zip(leaks, answers, strict=True):
            if answer.refused is None and leak.job.command != RUNS_ON:
                self._run(leak)
        return answers

    def _run(self, leak: Leak) -> None:
        failed = leak.job.command == FAILS
        said = {task: b"hello %s.%d\n" % (leak.name.encode(), task) for task in leak.tasks}
        self.world.runs[leak.name].logs |= {} if failed else said
        self.engine.finish(leak.name, outcome=Outcome(exit_code=3 if failed else 0))

    def crash(self) -> None:
        self.engine = self._new()

    def starts(self, leak: Leak, task: int) -> int:
        return sum(name == leak.name and task in tasks for name, tasks in self.world.starts)


def wait_until(true: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Poll until something holds; fails after a patience that no healthy machine needs."""
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def endings(events: Iterable[Event]) -> list[Ended]:
    return [event for event in events if isinstance(event, Ended)]


def count(kind: type[Event], events: Iterable[Event]) -> int:
    return sum(isinstance(event, kind) for event in events)


def causes(events: Iterable[Event]) -> dict[tuple[str, int], Cause]:
    return {(event.leak, event.task): event.cause for event in endings(events)}
