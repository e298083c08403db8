"""All attempts on this machine: those that wait for room, those that run, those to be taken up."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from headgate.lifecycle import Cause
from headgate.resources import Resources
from queue_broker.adapters.engines.local.attempt import Folder, Start, Stop
from queue_broker.adapters.engines.local.cgroup import Cgroups, taken_up
from queue_broker.adapters.engines.local.doorbell import end_of
from queue_broker.adapters.engines.local.environment import (
    NOT_EXECUTABLE,
    cannot_run,
    environment,
    passed_on,
)
from queue_broker.adapters.engines.local.process import runs, spawn
from queue_broker.adapters.engines.local.session import Session
from queue_broker.adapters.engines.local.tree import Tree
from queue_broker.adapters.engines.local.watch import Watch
from queue_broker.adapters.engines.outbox import Outbox
from queue_broker.records import Ended, Leak, Started, Tasks

SHELL = "/bin/sh"
SHIM = Path(__file__).parents[1] / "shim.sh"
#: A shim fills its claim right after it made it; one that has not done so by now was killed.
CLAIM_S = 1.0
CLAIM_POLLS = 100

Key = tuple[str, int]
CommandOf = Callable[[Leak, int], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that was accepted, and waits for room."""

    leak: Leak
    task: int
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """Where and with what tasks run. `base` is the environment that they are given."""

    attempts: Path
    capacity: Resources
    base: Mapping[str, str]
    grace_s: float
    cgroups: Cgroups | None
    clock: Callable[[], float]


@dataclass(slots=True)
class Supervisor:
    """Not thread-safe: the engine holds its lock around every call."""

    site: Site
    outbox: Outbox
    waiting: deque[Waiting] = field(default_factory=deque)
    running: dict[Key, Watch] = field(default_factory=dict)
    used: Resources = field(default_factory=Resources)

    def knows(self, leak: str, task: int) -> bool:
        return (leak, task) in self.running or any(
            (item.leak.name, item.task) == (leak, task) for item in self.waiting
        )

    def take(self, leak: Leak, task: int, command: CommandOf) -> None:
        """Start a task when there is room, or take up what an earlier broker did with it."""
        folder = self.folder(leak.name, task)
        if ended := folder.ended():
            self.outbox.put(ended)
        elif folder.path.exists():
            self._take_up(leak, task, folder)
        else:
            self.waiting.append(Waiting(leak, task, command(leak, task)))

    def give_up(self, leak: Leak, task: int, cause: Cause, reason: str) -> None:
        """End a task that never ran."""
        at_s = self.site.clock()
        ended = Ended(leak.name, task, at_s, cause, reason=reason)
        self.folder(leak.name, task).write_ended(ended)
        self.outbox.put(ended)

    def stop(self, leak: str, tasks: Tasks, stop: Stop) -> None:
        """Waiting tasks end at once; running ones are asked to."""
        dropped = [item for item in self.waiting if item.leak.name == leak and item.task in tasks]
        for item in dropped:
            self.waiting.remove(item)
            self.give_up(item.leak, item.task, stop.cause, stop.reason)
        for (name, task), watch in self.running.items():
            if name == leak and task in tasks:
                watch.ask_to_stop(stop)

    def stop_all(self, stop: Stop) -> None:
        """What waits goes on waiting: the next broker takes it up."""
        self.waiting.clear()
        for watch in self.running.values():
            watch.ask_to_stop(stop)

    def let_go(self) -> None:
        """Forget everything that runs or waits; their folders know it."""
        for watch in self.running.values():
            watch.let_go()
        self.waiting.clear()
        self.running.clear()

    def look(self) -> None:
        """Measure everything that runs."""
        for watch in self.running.values():
            watch.look(self.site.clock(), self.site.grace_s)

    def turn_over(self) -> None:
        """Finish what is over, and start what fits into the room that became free."""
        for key, watch in [item for item in self.running.items() if item[1].over()]:
            self.outbox.put(watch.finish(self.site.clock()))
            del self.running[key]
            self.used -= watch.leak.allocation
        self._start_what_fits()

    def ends(self) -> list[int]:
        """Handles of the running tasks' ends."""
        return [watch.end for watch in self.running.values() if watch.end is not None]

    def folder(self, leak: str, task: int) -> Folder:
        return Folder(self.site.attempts / leak / str(task))

    def _start_what_fits(self) -> None:
        """In the order of arrival: nobody passes a large task at the head, or it would starve."""
        while self.waiting:
            item = self.waiting[0]
            if not item.leak.allocation.fits(self.site.capacity):
                reason = "the machine has become smaller than the task's allocation"
                self.give_up(item.leak, item.task, Cause.INTERRUPTED, reason)
            elif (self.used + item.leak.allocation).fits(self.site.capacity):
                self._start(item)
            else:
                return
            self.waiting.popleft()

    def _start(self, item: Waiting) -> None:
        leak, task = item.leak, item.task
        folder = self.folder(leak.name, task)
        now_s = self.site.clock()
        try:
            watch = self._spawn(item, folder, now_s)
        except (OSError, ValueError) as error:
            watch = Ended(
                leak.name, task, now_s, Cause.NOT_STARTED, NOT_EXECUTABLE, reason=str(error)
            )
        if isinstance(watch, Ended):
            self.outbox.put(watch)
            folder.write_ended(watch)
            return
        self._run(watch)

    def _spawn(self, item: Waiting, folder: Folder, now_s: float) -> Watch | Ended:
        leak, task = item.leak, item.task
        seen = environment(self.site.base, leak, task)
        folder.work.mkdir(parents=True, exist_ok=True)
        if refusal := cannot_run(item.command, seen, folder.work):
            code, reason = refusal
            return Ended(leak.name, task, now_s, Cause.NOT_STARTED, code, reason=reason)
        cgroup = None
        if self.site.cgroups:
            cgroup = self.site.cgroups.make(f"{leak.name}.{task}", leak.allocation)
        cgroups = tuple(str(path) for path in cgroup.folders) if cgroup else ()
        start = Start(now_s, cgroups)
        folder.prepare(start)
        own = {"HEADGATE_SHIM_DIR": str(folder.path), "HEADGATE_SHIM_CGROUPS": " ".join(cgroups)}
        argv = (SHELL, str(SHIM), *passed_on(item.command, seen))
        pid = spawn(argv, seen | own, folder.log)
        return Watch(leak, task, folder, start, cgroup or Session(pid), pid)

    def _run(self, watch: Watch) -> None:
        watch.end = end_of(watch.pid)
        self.running[watch.leak.name, watch.task] = watch
        self.used += watch.leak.allocation
        at_s = watch.start.at_s if watch.start else self.site.clock()
        if watch.task not in watch.leak.running:
            self.outbox.put(Started(watch.leak.name, watch.task, at_s))

    def _take_up(self, leak: Leak, task: int, folder: Folder) -> None:
        """An attempt that an earlier broker left: whether it runs, ended or vanished.

        Making the claim in the shim's place settles the race with a shim that was just spawned.
        """
        claim = None if folder.give_up() else wait_for_claim(folder)
        stop = folder.stop()
        if claim is None or claim[0] <= 0:
            reason = stop.reason if stop else "the broker died before the task's process started"
            self.give_up(leak, task, stop.cause if stop else Cause.INTERRUPTED, reason)
            return
        pid, ticks = claim
        start = folder.start()
        alive = runs(pid, ticks, folder.claimed_at_s())
        tree = tree_of(start, pid if alive else None)
        self._run(Watch(leak, task, folder, start, tree, pid, claim_ticks=ticks, stop=stop))


def tree_of(start: Start | None, leader: int | None) -> Tree:
    """The tree of an attempt that an earlier broker started; None: its leader is dead.

    A dead leader's number may belong to another session by now, which must be let alone.
    """
    if start and start.cgroups:
        return taken_up(start.cgroups)
    return Session(leader)


def wait_for_claim(folder: Folder) -> tuple[int, int] | None:
    for _ in range(CLAIM_POLLS):
        if claim := folder.pid():
            return claim
        time.sleep(CLAIM_S / CLAIM_POLLS)
    return None
