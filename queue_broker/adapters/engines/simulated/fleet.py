"""A fleet in virtual time: lanes with queues, instances, delays, kills and interruptions.

It is what AWS Batch and EC2 would do with what they are handed, and no more: who is handed what,
when and where, is somebody else's policy, ours or a baseline's.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from headgate.lifecycle import Cause
from queue_broker.adapters.engines.simulated.instances import Pool
from queue_broker.adapters.engines.simulated.model import Fate, FleetModel
from queue_broker.core.amounts import Amount, amount
from queue_broker.records import Lane


class Run:
    """One attempt of one task. `key` is its owner's name for it."""

    __slots__ = ("ended", "fate", "instance", "key", "lane", "need", "placed_s", "start_s")

    def __init__(self, key: tuple[str, int], need: Amount, fate: Fate) -> None:
        self.key = key
        self.need = need
        self.fate = fate
        self.lane = -1
        self.instance = -1
        self.placed_s = -1.0
        self.start_s = -1.0
        self.ended = False

    @property
    def started(self) -> bool:
        return self.start_s >= 0


class Change(NamedTuple):
    """What happened to a run: it started (`cause` None), or ended."""

    run: Run
    at_s: float
    cause: Cause | None = None


@dataclass(slots=True)
class Queue:
    """A lane's own: first come, first served; its head blocks those behind it."""

    lane: Lane
    pool: Pool
    waiting: deque[Run] = field(default_factory=deque)
    next_dispatch_s: float = 0.0
    woken: bool = False  #: a dispatch is on the agenda already


class Fleet:
    """All lanes, and the agenda of what happens next."""

    def __init__(self, model: FleetModel, told: Callable[[Change], None]) -> None:
        self.model = model
        self.told = told
        self.now_s = 0.0
        self.queues = [
            Queue(lane, Pool(amount(lane.shape), lane.instances, lane.price_usd_hour))
            for lane in model.lanes
        ]
        self.place_of = {lane.name: place for place, lane in enumerate(model.lanes)}
        self.random = random.Random(model.seed)
        self._agenda: list[tuple[float, int, str, object]] = []
        self._number = 0
        names = ("arrive", "wake", "start", "exit", "kill", "idle", "take")
        self._on_event = {name: getattr(self, f"_on_{name}") for name in names}

    def begin(self, now_s: float) -> None:
        """The clock starts here; a fixed fleet runs from now on."""
        self.now_s = now_s
        if self.model.fixed:
            for place, queue in enumerate(self.queues):
                queue.pool.fill(now_s)
                for number in queue.pool.running:
                    self._fear(place, number)

    def submit(self, lane: int, runs: Iterable[Run]) -> None:
        """Hand runs to a lane."""
        self._on_arrive((lane, runs))

    def submit_at(self, at_s: float, lane: int, runs: Iterable[Run]) -> None:
        """Hand runs to a lane later."""
        self._plan(at_s, "arrive", (lane, runs))

    def next_s(self) -> float | None:
        """When something happens next."""
        return self._agenda[0][0] if self._agenda else None

    def advance(self, now_s: float) -> None:
        """Let everything happen up to and including `now_s`."""
        agenda = self._agenda
        while agenda and agenda[0][0] <= now_s:
            self.now_s, _, what, about = heapq.heappop(agenda)
            self._on_event[what](about)
        self.now_s = max(self.now_s, now_s)

    def stop(self, run: Run, cause: Cause) -> None:
        """Stop a run where it stands."""
        if run.ended:
            return
        if run.placed_s < 0:
            run.ended = True
            if run.lane >= 0:
                self.queues[run.lane].waiting.remove(run)
            self.told(Change(run, self.now_s, cause))
        else:
            self._end(run, cause)

    def starting(self, lane: int) -> int:
        return len(self.queues[lane].waiting)

    def cost_usd(self) -> float:
        return sum(queue.pool.cost_usd(self.now_s) for queue in self.queues)

    def _plan(self, at_s: float, what: str, about: object) -> None:
        self._number += 1
        heapq.heappush(self._agenda, (at_s, self._number, what, about))

    def _dispatch(self, lane: int) -> None:
        """Place the head of the lane's queue, and those behind it, as far as rate and room go."""
        queue = self.queues[lane]
        while queue.waiting:
            if queue.next_dispatch_s > self.now_s:
                if not queue.woken:
                    queue.woken = True
                    self._plan(queue.next_dispatch_s, "wake", lane)
                return
            run = queue.waiting[0]
            number = queue.pool.place(run.need)
            if number is None and (number := self._boot(lane, run)) is None:
                return
            queue.waiting.popleft()
            queue.next_dispatch_s = self.now_s + 1 / self.model.dispatches_per_s
            self._place(run, number)

    def _boot(self, lane: int, run: Run) -> int | None:
        """Start an instance for the head of a queue, where the lane has any left."""
        pool = self.queues[lane].pool
        if not run.need.within(pool.one):
            return None
        number = pool.start(self.now_s, self.now_s + self.model.boot_s)
        if number is None:
            return None
        self._fear(lane, number)
        return pool.place(run.need)

    def _place(self, run: Run, number: int) -> None:
        run.instance = number
        run.placed_s = self.now_s
        ready_s = self.queues[run.lane].pool.running[number].ready_s
        self._plan(max(self.now_s, ready_s) + self.model.start_delay_s, "start", run)

    def _on_arrive(self, about: tuple[int, Iterable[Run]]) -> None:
        lane, runs = about
        queue = self.queues[lane]
        for run in runs:
            if not run.ended:
                run.lane = lane
                queue.waiting.append(run)
        self._dispatch(lane)

    def _on_wake(self, lane: int) -> None:
        self.queues[lane].woken = False
        self._dispatch(lane)

    def _on_start(self, run: Run) -> None:
        if run.ended:
            return
        run.start_s = self.now_s
        self.told(Change(run, self.now_s))
        killed = run.fate.memory_mib > run.need.mib
        runtime_s = run.fate.runtime_s * (self.model.kill_at if killed else 1.0)
        self._plan(self.now_s + runtime_s, "kill" if killed else "exit", run)

    def _on_exit(self, run: Run) -> None:
        if not run.ended:
            self._end(run, Cause.EXITED)

    def _on_kill(self, run: Run) -> None:
        if not run.ended:
            self._end(run, Cause.OUT_OF_MEMORY)

    def _end(self, run: Run, cause: Cause) -> None:
        run.ended = True
        pool = self.queues[run.lane].pool
        if pool.release(run.instance, run.need, self.now_s) and not self.model.fixed:
            epoch = pool.running[run.instance].epoch
            about = (run.lane, run.instance, epoch)
            self._plan(self.now_s + self.model.idle_s, "idle", about)
        self.told(Change(run, self.now_s, cause))
        self._dispatch(run.lane)

    def _on_idle(self, about: tuple[int, int, int]) -> None:
        """Stop an instance that has been empty for long enough."""
        lane, number, epoch = about
        pool = self.queues[lane].pool
        instance = pool.running.get(number)
        if instance is None or instance.epoch != epoch or instance.idle_s is None:
            return
        if self.now_s - instance.idle_s >= self.model.idle_s - 1e-6:
            pool.stop(number, self.now_s)

    def _fear(self, lane: int, number: int) -> None:
        """Draw when a Spot instance is taken away."""
        rate = self.model.interruptions_per_hour
        if rate > 0 and self.queues[lane].lane.purchase == "SPOT":
            at_s = self.now_s + self.random.expovariate(rate / 3600)
            self._plan(at_s, "take", (lane, number, self.queues[lane].pool.running[number].epoch))

    def _on_take(self, about: tuple[int, int, int]) -> None:
        """Spot takes an instance: all on it are interrupted; a fixed fleet gets another."""
        lane, number, epoch = about
        pool = self.queues[lane].pool
        instance = pool.running.get(number)
        if instance is None or instance.epoch != epoch:
            return
        pool.stop(number, self.now_s)
        for run in [run for run in self._on(lane, number) if not run.ended]:
            run.ended = True
            self.told(Change(run, self.now_s, Cause.INTERRUPTED))
        if self.model.fixed:
            pool.start(self.now_s, self.now_s + self.model.boot_s)
            self._fear(lane, number)
        self._dispatch(lane)

    def _on(self, lane: int, number: int) -> list[Run]:
        """The runs on an instance: rare enough to be looked for on the agenda."""
        return [
            about
            for _, _, what, about in sorted(self._agenda, key=lambda item: item[:2])
            if what in ("start", "exit", "kill")
            and isinstance(about, Run)
            and (about.lane, about.instance) == (lane, number)
        ]
