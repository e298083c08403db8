"""A fleet in virtual time: lanes with queues, instances, delays, kills and interruptions.

It is what AWS Batch and EC2 would do with what they are handed, and no more: who is handed what,
when and where, is somebody else's policy, ours or a baseline's.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from headgate.lifecycle import Cause
from queue_broker.adapters.engines.simulated.instances import Pool
from queue_broker.adapters.engines.simulated.model import Fate, FleetModel
from queue_broker.core.amounts import Amount, amount
from queue_broker.records import Lane


class Run:
    """One attempt of one task. `key` is its owner's name for it. From its placing on it is known
    when it starts, as long as nobody stops it before: then it never does."""

    __slots__ = (
        *("cause", "end_s", "fate", "instance", "key", "lane", "need"),
        *("placed_s", "start_s"),
    )

    def __init__(self, key: tuple[str, int], need: Amount, fate: Fate) -> None:
        self.key = key
        self.need = need
        self.fate = fate
        self.lane = -1
        self.instance = -1
        self.placed_s = -1.0
        self.start_s = -1.0
        self.end_s = -1.0
        self.cause: Cause | None = None  #: why it ended

    @property
    def started(self) -> bool:
        """Of a run that has ended: whether it had started."""
        return self.start_s >= 0

    def end(self, cause: Cause, now_s: float) -> None:
        self.cause, self.end_s = cause, now_s
        if self.start_s > now_s:
            self.start_s = -1.0


#: Told of the runs that have started and of those that have ended, each in the order of time.
Told = Callable[[Sequence[Run], Sequence[Run]], None]


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

    def __init__(self, model: FleetModel, told: Told) -> None:
        self.model = model
        self.told = told
        self.now_s = 0.0
        self.queues = [
            Queue(lane, Pool(amount(lane.shape), lane.instances, lane.price_usd_hour))
            for lane in model.lanes
        ]
        self.place_of = {lane.name: place for place, lane in enumerate(model.lanes)}
        self.random = random.Random(model.seed)
        self._agenda: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._starting: list[tuple[float, int, Run]] = []  #: those placed, by when they start
        self._ended: list[Run] = []  #: of whom nobody was told yet
        self._number = 0

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
        self._plan(at_s, self._on_arrive, (lane, runs))

    def next_s(self) -> float | None:
        """When something happens next."""
        heads = [heap[0][0] for heap in (self._agenda, self._starting) if heap]
        return min(heads, default=None)

    def advance(self, now_s: float) -> None:
        """Let everything happen up to and including `now_s`, and tell of it."""
        agenda = self._agenda
        while agenda and agenda[0][0] <= now_s:
            self.now_s, _, happen, about = heapq.heappop(agenda)
            happen(about)
        self.now_s = max(self.now_s, now_s)
        self._tell()

    def stop(self, run: Run, cause: Cause) -> None:
        """Stop a run where it stands."""
        if run.cause is not None:
            return
        if run.placed_s < 0:
            run.end(cause, self.now_s)
            self._ended.append(run)
            if run.lane >= 0:
                self.queues[run.lane].waiting.remove(run)
                self._dispatch(run.lane)  # it may have been at the head, and the next one fits
        else:
            self._end(run, cause)
        self._tell()

    def _tell(self) -> None:
        """Of what has happened up to now, all at once."""
        started, starting = [], self._starting
        while starting and starting[0][0] <= self.now_s:
            run = heapq.heappop(starting)[2]
            if run.start_s >= 0:
                started.append(run)
        ended, self._ended = self._ended, []
        if started or ended:
            self.told(started, ended)

    def starting(self, lane: int) -> int:
        return len(self.queues[lane].waiting)

    def cost_usd(self) -> float:
        return sum(queue.pool.cost_usd(self.now_s) for queue in self.queues)

    def _plan(self, at_s: float, happen: Callable[[Any], None], about: Any) -> None:
        self._number += 1
        heapq.heappush(self._agenda, (at_s, self._number, happen, about))

    def _dispatch(self, lane: int) -> None:
        """Place the head of the lane's queue, and those behind it, as far as rate and room go."""
        queue = self.queues[lane]
        while queue.waiting and not queue.pool.full:
            if queue.next_dispatch_s > self.now_s:
                if not queue.woken:
                    queue.woken = True
                    self._plan(queue.next_dispatch_s, self._on_wake, lane)
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
        run.start_s = max(self.now_s, ready_s) + self.model.start_delay_s
        heapq.heappush(self._starting, (run.start_s, self._number, run))
        killed = run.fate.memory_mib > run.need.mib
        runtime_s = run.fate.runtime_s * (self.model.kill_at if killed else 1.0)
        self._plan(run.start_s + runtime_s, self._on_kill if killed else self._on_exit, run)

    def _on_arrive(self, about: tuple[int, Iterable[Run]]) -> None:
        lane, runs = about
        queue = self.queues[lane]
        for run in runs:
            if run.cause is None:
                run.lane = lane
                queue.waiting.append(run)
        self._dispatch(lane)

    def _on_wake(self, lane: int) -> None:
        self.queues[lane].woken = False
        self._dispatch(lane)

    def _on_exit(self, run: Run) -> None:
        if run.cause is None:
            self._end(run, Cause.EXITED)

    def _on_kill(self, run: Run) -> None:
        if run.cause is None:
            self._end(run, Cause.OUT_OF_MEMORY)

    def _end(self, run: Run, cause: Cause) -> None:
        run.end(cause, self.now_s)
        self._ended.append(run)
        pool = self.queues[run.lane].pool
        if pool.release(run.instance, run.need, self.now_s) and not self.model.fixed:
            epoch = pool.running[run.instance].epoch
            about = (run.lane, run.instance, epoch)
            self._plan(self.now_s + self.model.idle_s, self._on_idle, about)
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
            self._plan(
                at_s, self._on_take, (lane, number, self.queues[lane].pool.running[number].epoch)
            )

    def _on_take(self, about: tuple[int, int, int]) -> None:
        """Spot takes an instance: all on it are interrupted; a fixed fleet gets another."""
        lane, number, epoch = about
        pool = self.queues[lane].pool
        instance = pool.running.get(number)
        if instance is None or instance.epoch != epoch:
            return
        pool.stop(number, self.now_s)
        for run in self._on(lane, number):
            run.end(Cause.INTERRUPTED, self.now_s)
            self._ended.append(run)
        if self.model.fixed:
            pool.start(self.now_s, self.now_s + self.model.boot_s)
            self._fear(lane, number)
        self._dispatch(lane)

    def _on(self, lane: int, number: int) -> list[Run]:
        """The runs on an instance: rare enough to be looked for on the agenda, by their ends."""
        runs = [
            one for *_, one in sorted(self._agenda, key=itemgetter(0, 1)) if isinstance(one, Run)
        ]
        return [
            one for one in runs if one.cause is None and (one.lane, one.instance) == (lane, number)
        ]
