"""All attempts on this machine: those that wait for room, those that run, those to be taken up."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field

from headgate.lifecycle import Cause
from headgate.resources import Resources
from queue_broker.adapters.engines.local.attempt import Claim, Folder, Start, Stop
from queue_broker.adapters.engines.local.cgroup import taken_up
from queue_broker.adapters.engines.local.doorbell import end_of
from queue_broker.adapters.engines.local.launch import Site, Waiting, launch
from queue_broker.adapters.engines.local.process import runs
from queue_broker.adapters.engines.local.session import Session
from queue_broker.adapters.engines.local.tree import Tree
from queue_broker.adapters.engines.local.watch import Watch
from queue_broker.adapters.engines.outbox import Outbox
from queue_broker.events import Ended, Started
from queue_broker.records import Leak, Tasks

#: A shim fills its claim right after it made it; one that has not done so by now was killed.
CLAIM_S = 1.0
CLAIM_POLLS = 100

Key = tuple[str, int]


@dataclass(slots=True)
class Supervisor:
    """Not thread-safe: the engine holds its lock around every call."""

    site: Site
    outbox: Outbox
    waiting: OrderedDict[Key, Waiting] = field(default_factory=OrderedDict)
    running: dict[Key, Watch] = field(default_factory=dict)
    used: Resources = field(default_factory=Resources)

    def knows(self, leak: str, task: int) -> bool:
        return (leak, task) in self.running or (leak, task) in self.waiting

    def uses(self, leak: str) -> bool:
        """Whether any of a leak's tasks runs or waits."""
        return any(name == leak for name, _ in (*self.running, *self.waiting))

    def is_new(self, leak: str, task: int) -> bool:
        """Whether nothing was ever done about a task."""
        return not self.knows(leak, task) and not self.site.folder(leak, task).path.exists()

    def wait(self, leak: Leak, task: int, command: tuple[str, ...]) -> None:
        """Start a new task when there is room."""
        self.waiting[leak.name, task] = Waiting(leak, task, command)

    def take_up(self, leak: Leak, task: int) -> None:
        """Go on with what an earlier broker did about a task."""
        folder = self.site.folder(leak.name, task)
        if ended := folder.ended():
            self.outbox.put(ended)
        else:
            self._take_up(leak, task, folder)

    def give_up(self, leak: Leak, task: int, cause: Cause, reason: str) -> None:
        """End a task that never ran."""
        self._end(Ended(leak.name, task, self.site.clock(), cause, reason=reason))

    def stop(self, leak: str, tasks: Tasks, stop: Stop) -> None:
        """Waiting tasks end at once; running ones are asked to."""
        for task in tasks:
            if item := self.waiting.get((leak, task)):
                self.give_up(item.leak, task, stop.cause, stop.reason)
                del self.waiting[leak, task]
            elif watch := self.running.get((leak, task)):
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
            self.site.gpus.give_back(watch.gpus)
        self._start_what_fits()

    def ends(self) -> list[int]:
        """Handles of the running tasks' ends."""
        return [watch.end for watch in self.running.values() if watch.end is not None]

    def _start_what_fits(self) -> None:
        """In the order of arrival: nobody passes a large task at the head, or it would starve."""
        while self.waiting:
            item = next(iter(self.waiting.values()))
            if not item.leak.allocation.fits(self.site.capacity):
                reason = "the machine has become smaller than the task's allocation"
                self.give_up(item.leak, item.task, Cause.INTERRUPTED, reason)
            elif (self.used + item.leak.allocation).fits(self.site.capacity):
                self._start(item)
            else:
                return
            self.waiting.popitem(last=False)

    def _start(self, item: Waiting) -> None:
        launched = launch(self.site, item)
        if isinstance(launched, Ended):
            self._end(launched)
        else:
            self._run(launched)

    def _end(self, ended: Ended) -> None:
        """Written down first: an event that was said must never be followed by a start."""
        self.site.folder(ended.leak, ended.task).write_ended(ended)
        self.outbox.put(ended)

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
        if claim is None or claim.pid <= 0:
            reason = stop.reason if stop else "the broker died before the task's process started"
            self.give_up(leak, task, stop.cause if stop else Cause.INTERRUPTED, reason)
            return
        start = folder.start()
        tree = tree_of(start, claim.pid if runs(claim) else None)
        gpus = self.site.gpus.hold(start.gpus if start else ())
        self._run(Watch(leak, task, folder, start, tree, claim.pid, gpus, claim=claim, stop=stop))


def tree_of(start: Start | None, leader: int | None) -> Tree:
    """The tree of an attempt that an earlier broker started; None: its leader is dead.

    A dead leader's number may belong to another session by now, which must be let alone.
    """
    if start and start.cgroups:
        return taken_up(start.cgroups)
    return Session(leader)


def wait_for_claim(folder: Folder) -> Claim | None:
    for _ in range(CLAIM_POLLS):
        if claim := folder.claim():
            return claim
        time.sleep(CLAIM_S / CLAIM_POLLS)
    return None
