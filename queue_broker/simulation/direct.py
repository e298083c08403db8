"""A trace replayed without a broker: users submit, and one scheduling policy picks who goes next.

The fleet is the same as the broker's, with every advantage that a model can give: the policy sees
each end at once, knows all free room, and is not limited in how fast it dispatches.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from headgate.lifecycle import Cause
from headgate.resources import Resources
from queue_broker.adapters.engines.simulated.fleet import Fleet, Run
from queue_broker.adapters.engines.simulated.model import Fate
from queue_broker.core.amounts import Amount, amount
from queue_broker.simulation.outcome import Account, Outcome
from queue_broker.simulation.replay import Progress, Setting, no_collection, quiet
from queue_broker.simulation.trace import Trace


@dataclass(slots=True)
class Class:
    """Waiting tasks that a policy can tell apart by age alone: one owner, tier, queue and shape."""

    owner: str
    tier: str
    queue: str
    priority: int
    need: Amount
    rows: deque[int] = field(default_factory=deque)
    since_s: float = 0.0  #: when its first task was submitted


class Policy(Protocol):
    """Who goes next. `blocks`: whether a head without room holds up everybody behind it."""

    name: str
    blocks: bool

    def pick(self, waiting: list[Class], now_s: float) -> Class:
        """The class whose first task goes next; `waiting` is not empty."""

    def started(self, one: Class, now_s: float) -> None:
        """A task of the class was placed."""

    def ended(self, one: Class, now_s: float) -> None:
        """A task of the class is over."""


class Direct:
    """One replay under a baseline."""

    def __init__(self, trace: Trace, setting: Setting, policy: Policy) -> None:
        self.trace = trace
        self.setting = setting
        self.policy = policy
        self.account = Account(len(trace))
        self.fleet = Fleet(replace(setting.model, dispatches_per_s=math.inf), self.told)
        self.classes: dict[tuple[object, ...], Class] = {}
        self.class_of: list[Class] = []
        self.submit_s: list[float] = trace.submit_s.tolist()
        self.runtime_s: list[float] = trace.runtime_s.tolist()
        self.used_mib: list[int] = trace.memory_used_mib.tolist()
        self.unfinished = len(trace)
        self.freed: deque[int] = deque()

    def run(self, progress: Progress = quiet) -> Outcome:
        """Until all has ended, or what is left can never run."""
        began = time.perf_counter()
        with no_collection():
            self._run(progress)
        return Outcome(
            policy=self.policy.name,
            trace=self.trace,
            total=self.setting.total,
            account=self.account,
            cost_usd=self.fleet.cost_usd(),
            seconds=time.perf_counter() - began,
        )

    def _run(self, progress: Progress) -> None:
        self.class_of = [self._class(row) for row in range(len(self.trace))]
        self.fleet.begin(self.submit_s[0])
        next_ = 0
        while self.unfinished:
            next_ = self._admit(next_)
            self._schedule()
            moments = [
                self.fleet.next_s(),
                self.submit_s[next_] if next_ < len(self.trace) else None,
            ]
            known = [moment for moment in moments if moment is not None]
            if not known:
                break
            self.fleet.advance(min(known))
            if self.unfinished % 5000 == 0:
                progress(len(self.trace) - self.unfinished, len(self.trace))
        progress(len(self.trace), len(self.trace))

    def _admit(self, next_: int) -> int:
        """Whoever has been submitted by now waits."""
        while next_ < len(self.trace) and self.submit_s[next_] <= self.fleet.now_s:
            one = self.class_of[next_]
            if not one.rows:
                one.since_s = self.submit_s[next_]
            one.rows.append(next_)
            next_ += 1
        return next_

    def _schedule(self) -> None:
        """Place one task after the other until nobody who may go has room."""
        waiting = [one for one in self.classes.values() if one.rows]
        while waiting:
            one = self.policy.pick(waiting, self.fleet.now_s)
            lane = self._lane(one.need)
            if lane is None:
                if self.policy.blocks:
                    return
                waiting = [other for other in waiting if not one.need.within(other.need)]
                continue
            self._place(one, lane)
            if not one.rows:
                waiting.remove(one)
            else:
                one.since_s = self.submit_s[one.rows[0]]

    def _lane(self, need: Amount) -> int | None:
        """A lane with room: first where something has just ended, then any."""
        while self.freed:
            if self.fleet.queues[self.freed[-1]].pool.has_room(need):
                return self.freed[-1]
            if any(one.rows and one.need != need for one in self.classes.values()):
                break
            self.freed.pop()
        for lane, queue in enumerate(self.fleet.queues):
            if queue.pool.has_room(need):
                return lane
        return self._startable(need)

    def _startable(self, need: Amount) -> int | None:
        """The lane whose instances are cheapest for the task, as far as more may be started."""
        open_ = [
            (need.share(queue.pool.one) * queue.pool.price_usd_hour, lane)
            for lane, queue in enumerate(self.fleet.queues)
            if queue.pool.can_start(need)
        ]
        return min(open_)[1] if open_ else None

    def _place(self, one: Class, lane: int) -> None:
        row = one.rows.popleft()
        fate = Fate(self.runtime_s[row], self.used_mib[row], 0, row)
        self.policy.started(one, self.fleet.now_s)
        self.fleet.submit(lane, [Run(("", row), one.need, fate)])

    def told(self, started: Sequence[Run], ended: Sequence[Run]) -> None:
        self.account.take(started, ended)
        for run in ended:
            row = run.fate.row
            self.freed.append(run.lane)
            one = self.class_of[row]
            self.policy.ended(one, run.end_s)
            if run.cause is Cause.INTERRUPTED:
                one.rows.appendleft(row)  # Batch's own retry of what lost its host
            else:
                self.unfinished -= 1

    def _class(self, row: int) -> Class:
        trace = self.trace
        given = Resources(float(trace.vcpu[row]), int(trace.memory_mib[row]), int(trace.gpus[row]))
        owner = str(trace.tenant[row]).split("/", 1)[0]
        key = (owner, trace.tier[row], trace.queue[row], int(trace.priority[row]), given)
        found = self.classes.get(key)
        if found is None:
            found = self.classes[key] = Class(
                owner, trace.tier[row], trace.queue[row], int(trace.priority[row]), amount(given)
            )
        return found
