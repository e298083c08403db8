"""The instances of the lanes one by one: what each has free, and for how long it will be paid.
Pure.

An instance is paid until its last task has ended. So a task costs what it prolongs: on one that
runs, as long as it is likely to outlast all others there; on a new one, its whole run and a start.
Within a lane Batch chooses the instance, and it is foreseen which; where engines do not say what
runs on which, that is guessed in the same way, and what has only guesses on it counts as starting.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from headgate.estimate import Quantiles
from queue_broker.core.amounts import Amount
from queue_broker.core.ledger import Ledger, foretold
from queue_broker.core.remaining import AFTER_S, SPAN_S, still_running
from queue_broker.core.yard import Floats, Ints, Yard
from queue_broker.records import Lane

#: Until a new instance can run something, and how long one idles before it is stopped: both are
#: paid for.
START_S = 90.0
IDLE_S = 120.0
#: Tasks of one turn that are looked at one by one: more fill instances by themselves, and are
#: better packed as a whole.
FEW = 8
#: And of one decision, and those that run meanwhile: beyond, it would take too long.
MOST_TASKS = 200
MOST_RUNNING = 5_000
NOWHERE: Mapping[int, str] = {}


class Seat(NamedTuple):
    """Room for a task. `at` is where the instance stands among those of its lane; None: a new
    one."""

    late: int  #: to whom it matters: 1 where an instance is yet to start, 2 where it is a new one
    cost: float
    rank: int  #: of the lane among those the task can go to: no two are the same
    place: int
    at: int | None


@dataclass(slots=True)
class Rack:
    """The instances of one lane."""

    one: Amount
    price_usd_hour: float
    spare: int  #: more that could be started
    over: list[Floats] = field(default_factory=list)  #: chances that all on it have ended
    up: list[bool] = field(default_factory=list)  #: whether it has started, as far as is known
    free: list[tuple[Amount, int]] = field(default_factory=list)  #: and whose; the fullest first

    def seat(self, each: Amount) -> int | None:
        """The fullest instance with room, as ECS's binpack chooses."""
        for at in range(bisect_left(self.free, (each, 0)), len(self.free)):
            if each.within(self.free[at][0]):
                return at
        return None

    def put(self, each: Amount, over: Floats, at: int | None) -> int:
        if at is None:
            left, number = self.one, self.start()
        else:
            left, number = self.free.pop(at)
        self.over[number] = self.over[number] * over
        insort(self.free, (left.plus(each, -1), number))
        return number

    def start(self, *, up: bool = False) -> int:
        self.spare -= 1
        self.over.append(np.ones(len(AFTER_S)))
        self.up.append(up)
        return len(self.over) - 1

    def late(self, at: int | None) -> int:
        return 2 if at is None else 0 if self.up[self.free[at][1]] else 1

    def outlasts_s(self, at: int, left_s: Floats) -> float:
        """For how long a task keeps an instance that is likely to run in so much of each span."""
        return float(left_s @ self.over[self.free[at][1]])


@dataclass(slots=True)
class Hosts:
    """All of them, as one decision goes on; a lane is looked at when a task could go there.

    `instances` says where tasks run, by leak and task, as far as it is known.
    """

    yard: Yard
    lanes: Sequence[Lane]
    ledger: Ledger
    now_s: float
    instances: Mapping[str, Mapping[int, str]]
    left: int = field(init=False)  #: tasks that may still be looked at
    _racks: dict[int, Rack] = field(default_factory=dict)
    _came: dict[int, list[tuple[Amount, Quantiles, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def __post_init__(self) -> None:
        running = sum(held.tasks for held in self.ledger.tenants.values())
        self.left = MOST_TASKS if running <= MOST_RUNNING else 0

    def looks_at(self, tasks: int) -> bool:
        """Whether a turn's tasks are few enough."""
        return tasks <= min(FEW, self.left)

    def seats(
        self, each: Amount, runtime_s: Quantiles, places: Ints, *, patient: bool
    ) -> list[Seat]:
        """In each of the lanes that has any, what Batch would choose: the cheapest first, or before
        that what starts soonest."""
        left_s = still_running([runtime_s], [0.0])[0] * SPAN_S
        anew_s = float(left_s.sum()) + START_S + IDLE_S
        found = []
        for rank, place in enumerate(places.tolist()):
            rack = self.rack(place)
            at = rack.seat(each)
            if at is not None or rack.spare > 0:
                more_s = anew_s if at is None else rack.outlasts_s(at, left_s)
                late = 0 if patient else rack.late(at)
                found.append(Seat(late, rack.price_usd_hour * more_s, rank, place, at))
        return sorted(found)

    def take(self, seat: Seat, each: Amount, runtime_s: Quantiles) -> None:
        self.left -= 1
        self.rack(seat.place).put(each, over(runtime_s), seat.at)

    def came(self, each: Amount, runtime_s: Quantiles, seats: Mapping[int, int]) -> None:
        """So many tasks went to lanes without a look at their instances."""
        self.left -= sum(seats.values())
        if self.left > 0:
            for place, tasks in seats.items():
                self._came[place].append((each.bare, runtime_s, tasks))

    def rack(self, place: int) -> Rack:
        rack = self._racks.get(place)
        if rack is None:
            rack = self._racks[place] = self._seen(place)
        for each, runtime_s, tasks in self._came.pop(place, ()):
            for _ in range(tasks):
                fill(rack, each, over(runtime_s))
        return rack

    def _seen(self, place: int) -> Rack:
        """A lane's instances as the decision begins."""
        lane = self.lanes[place]
        one = Amount(*map(int, self.yard.one[place]))
        rack = Rack(one, lane.price_usd_hour, lane.instances)
        free: dict[str, Amount] = {}
        numbers: dict[str, int] = {}
        unseen: list[tuple[Amount, Floats]] = []
        for each, over_, where, tasks in self._running(lane):
            for task in tasks:
                name = where.get(task)
                if name is None:
                    unseen.append((each, over_))
                    continue
                if name not in free:
                    free[name], numbers[name] = one, rack.start(up=True)
                free[name] = free[name].plus(each, -1)
                rack.over[numbers[name]] *= over_
        rack.free = sorted((left, numbers[name]) for name, left in free.items())
        for _ in range(len(free), lane.running or 0):
            insort(rack.free, (one, rack.start(up=True)))
        for each, over_ in unseen:
            number = fill(rack, each, over_)
            if number >= len(free):  # nothing is known to run there
                rack.up[number] = False
        return rack

    def _running(
        self, lane: Lane
    ) -> Iterator[tuple[Amount, Floats, Mapping[int, str], Sequence[int]]]:
        """What a lane holds: what each task needs, the chances that it has ended, where they are,
        and which."""
        entries = list(self.ledger.in_lane(lane.name))
        leaks = [entry.leak for entry in entries]
        runtimes_s = [foretold(leak.estimate) for leak in leaks]
        elapsed_s = [self.now_s - leak.created_at_s for leak in leaks]
        chances = 1 - still_running(runtimes_s, elapsed_s) if entries else ()
        for entry, over_ in zip(entries, chances, strict=True):
            where = self.instances.get(entry.leak.name, NOWHERE)
            yield entry.bare, over_, where, list(entry.leak.open)


def over(runtime_s: Quantiles) -> Floats:
    """The chances that a task which starts now has ended."""
    found: Floats = 1 - still_running([runtime_s], [0.0])[0]
    return found


def fill(rack: Rack, each: Amount, over_: Floats) -> int:
    """A task goes where Batch puts it; without room it waits (-1)."""
    at = rack.seat(each)
    return rack.put(each, over_, at) if at is not None or rack.spare > 0 else -1
