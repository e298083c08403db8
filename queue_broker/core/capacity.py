"""What the lanes have free in the course of one decision, and when they will have more. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from queue_broker.core.amounts import NOTHING, Amount, amount
from queue_broker.core.holes import Holes, Seating
from queue_broker.core.ledger import LaneUse, Ledger
from queue_broker.core.runs import Runs
from queue_broker.core.window import FIRST, Window, room_s
from queue_broker.core.yard import Floats, Ints, Yard, times
from queue_broker.records import Lane

#: From so many lanes on they are reckoned together.
SEVERAL = 4
NONE: Mapping[Amount, int] = {}


@dataclass(slots=True)
class Board:
    """The lanes as they fill up.

    Within a lane ECS places the tasks, so that the sum is counted; where all instances run it is
    taken as packed tightly, but where it is known who runs on which (`holes.py`). If ECS does
    worse, tasks wait in STARTING, the start delay grows, and the window closes. Where more may be
    started it is taken as scattered evenly over those that run, since what ends leaves its room
    where it was: a task that finds none would have Batch start an instance of this lane, which only
    happened to have scraps, and not of the cheapest.
    `ahead_s` is how many predicted seconds of work may still queue beyond what is free.
    """

    yard: Yard
    used: Ints
    ready: Ints  #: instances that run or were filled when the decision began
    open: npt.NDArray[np.bool_]
    ahead_s: Floats
    #: By place, where there is any: tasks by what they hold, and those of them that have ended.
    tasks: Mapping[int, tuple[Mapping[Amount, int], Mapping[Amount, int]]]
    full: npt.NDArray[np.bool_]  #: who comes next waits behind others, whatever is free
    seating: Seating
    elastic: bool = field(init=False)  #: whether there is anything left that could be started
    busy: Ints = field(init=False)  #: instances that what is used fills at the least
    left: Ints = field(init=False)  #: 3 x L: what these have left together
    _alike: dict[Amount, Ints] = field(default_factory=dict)
    _scattered: dict[Amount, list[int]] = field(default_factory=dict)
    _followed: dict[Amount, npt.NDArray[np.bool_]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one, instances = self.yard.one, self.yard.instances
        self.elastic = bool((self.ready < instances).any())
        self.busy = np.minimum(instances_filled(self.used, one), instances)
        self.left = np.maximum((one * self.busy[:, None] - self.used).T, 0)

    @classmethod
    def of(
        cls,
        yard: Yard,
        lanes: Sequence[Lane],
        ledger: Ledger,
        windows: Mapping[str, Window],
        runs: Runs | None = None,
        shut: Collection[int] = (),
    ) -> Board:
        """The lanes with what they hold now; `lanes` are the yard's, in its order. `shut`: places
        whose queue a stuck head keeps shut."""
        uses = [ledger.lanes.get(lane.name) for lane in lanes]
        gone = [ended_in(lane) for lane in lanes]
        used = np.array(
            [in_use(use, ended) for use, ended in zip(uses, gone, strict=True)], dtype=np.int64
        ).reshape(len(lanes), 3)
        return cls(
            yard=yard,
            used=used,
            ready=ready(yard, lanes, used),
            open=np.array([lane.closed is None for lane in lanes], dtype=bool),
            ahead_s=ahead_s(yard, lanes, used, uses, windows),
            full=queueing(yard, lanes, used, shut),
            seating=Seating(lanes, uses, runs or Runs()),
            tasks={
                place: (use.alike, ended)
                for place, (use, ended) in enumerate(zip(uses, gone, strict=True))
                if use
            },
        )

    def whole(self, place: int) -> Amount:
        return self.yard.wholes[place]

    def free(self, place: int) -> Amount:
        return self.whole(place).plus(Amount(*map(int, self.used[place])), -1)

    @property
    def all_free(self) -> Amount:
        """The sum over the open lanes; a lane that is overfull has nothing."""
        left = (self.yard.one * self.yard.instances[:, None] - self.used)[self.open]
        return Amount(*map(int, np.maximum(left, 0).sum(axis=0)))

    def fits(self, each: Amount, places: Ints, *, cold: bool) -> Ints:
        """How many more go into each lane: into what is ready, or (cold) also into what would have
        to be started."""
        most = self.yard.holds(each)
        upto = self.yard.instances if cold else self.ready
        count = times(each, self.left) + (upto - self.busy) * most
        count = np.minimum(count, upto * most - self.alike(each))
        if self.elastic:
            self._scatter(each, upto, count)
        count[(self.busy > upto) | ~self.open | self.full] = 0
        for place in self.scattered(each):
            if count[place] > 0 and (holes := self._holes_at(place)) is not None:
                count[place] = min(int(count[place]), holes.holds(each.bare))
        found: Ints = np.maximum(count, 0)[places]
        return found

    def apart(self, instances: int, places: Ints) -> Ints:
        """How many jobs that take so many whole instances each find them in each lane."""
        idle = [self._idle(place) for place in places.tolist()]
        return np.array(idle, dtype=np.int64) // instances

    def _idle(self, place: int) -> int:
        """Instances with nothing on them, also those that are yet to be started."""
        if not self.open[place] or self.full[place]:
            return 0
        instances, busy = int(self.yard.instances[place]), int(self.busy[place])
        most, holes = max(0, instances - busy), self._holes_at(place)
        if holes is None or self.seating.lanes[place].running is None:
            return most
        one = Amount(*map(int, self.yard.one[place]))
        empty = sum(left == one for left in holes.free.values())
        return min(most, instances - max(int(self.ready[place]), busy) + empty)

    def holes(self, each: Amount, place: int) -> Holes | None:
        """The instances of a lane, where its sum may be all scraps for such a task."""
        return self._holes_at(place) if place in self.scattered(each) else None

    def _holes_at(self, place: int) -> Holes | None:
        return self.seating.at(place, lambda: self._put_at(place))

    def _put_at(self, place: int) -> Mapping[Amount, int]:
        """Tasks that this decision has put into a lane, by what they hold."""
        held, ended = self.tasks.get(place, (NONE, NONE))
        before = {bare: max(0, held.get(bare, 0) - ended.get(bare, 0)) for bare in self._alike}
        return {bare: int(now[place]) - before[bare] for bare, now in self._alike.items()}

    def scattered(self, each: Amount) -> list[int]:
        """The lanes in which the sum may be all scraps for such a task."""
        found = self._scattered.get(each)
        if found is None:
            found = self._scattered[each] = self.seating.places(each.bare)
        return found

    def _scatter(self, each: Amount, upto: Ints, count: Ints) -> None:
        """Where more can be started what is free lies scattered: what one of those that run has on
        the average counts."""
        growing = np.flatnonzero((self.ready < self.yard.instances) & (self.busy > 0))
        upto, most = upto[growing], self.yard.holds(each)[growing]
        ran = np.maximum(self.ready, self.busy)[growing]
        left = np.maximum(self.yard.one[growing] - self.used[growing] / ran[:, None], 0)
        room = np.minimum(ran, upto) * times(each, left.T).astype(np.int64)
        room += np.maximum(upto - ran, 0) * most
        count[growing] = np.minimum(count[growing], room)

    def alike(self, each: Amount) -> Ints:
        """Tasks of this very shape in each lane: what an instance cannot hold of them, the lane
        cannot either, whatever the sum of the scraps."""
        found = self._alike.get(each.bare)
        if found is None:
            bare = each.bare
            found = self._alike[bare] = np.zeros(len(self.used), dtype=np.int64)
            for place, (held, ended) in self.tasks.items():
                found[place] = max(0, held.get(bare, 0) - ended.get(bare, 0))
        return found

    def ahead(self, each: Amount, places: Ints, runtime_s: float) -> Ints:
        """How many more may queue in each lane, beyond what is free: where the end of one task
        there has room for the next. What needs several ends would keep all others behind it
        waiting.
        """
        seconds = self.yard.shares(each)[places] * max(runtime_s, 1.0)
        counts = (self.ahead_s[places] / np.where(seconds > 0, seconds, np.inf)).astype(np.int64)
        return np.where(self._follows(each)[places], counts, 0)

    def _follows(self, each: Amount) -> npt.NDArray[np.bool_]:
        """The lanes in which some task holds as much."""
        found = self._followed.get(each.bare)
        if found is None:
            bare = each.bare
            found = self._followed[bare] = np.zeros(len(self.used), dtype=bool)
            for place, (held, _) in self.tasks.items():
                found[place] = any(map(bare.within, held))
        return found

    def put(self, each: Amount, place: int, tasks: int) -> None:
        """One lane is reckoned in plain numbers: arrays this short take three times as long."""
        self.alike(each)[place] += tasks
        if self.seating.holes:
            self.seating.put(each.bare, {place: tasks})
        instances, one = int(self.yard.instances[place]), self.yard.one[place].tolist()
        used = [a + b * tasks for a, b in zip(self.used[place].tolist(), each, strict=False)]
        busy = min(instances, max(-(-a // max(b, 1)) for a, b in zip(used, one, strict=True)))
        self.used[place], self.busy[place] = used, busy
        self.left[:, place] = [max(0, b * busy - a) for a, b in zip(used, one, strict=True)]

    def put_all(self, each: Amount, seats: Mapping[int, int]) -> None:
        """So many tasks in each of several lanes."""
        if len(seats) < SEVERAL:
            for place, tasks in seats.items():
                self.put(each, place, tasks)
            return
        places, counts = as_arrays(seats)
        self.alike(each)[places] += counts
        if self.seating.holes:
            self.seating.put(each.bare, seats)
        one = self.yard.one[places]
        used = self.used[places] + counts[:, None] * np.array(each[:3])
        busy = np.minimum(instances_filled(used, one), self.yard.instances[places])
        self.used[places], self.busy[places] = used, busy
        self.left[:, places] = np.maximum(one * busy[:, None] - used, 0).T

    def queue_all(self, each: Amount, seats: Mapping[int, int], runtime_s: float) -> None:
        """The same where there is no room yet."""
        places, counts = as_arrays(seats)
        self.ahead_s[places] -= self.yard.shares(each)[places] * max(runtime_s, 1.0) * counts
        self.put_all(each, seats)


def as_arrays(seats: Mapping[int, int]) -> tuple[Ints, Ints]:
    """Places, and how many tasks go to each."""
    places = np.fromiter(seats.keys(), np.int64, len(seats))
    return places, np.fromiter(seats.values(), np.int64, len(seats))


def ended_in(lane: Lane) -> Mapping[Amount, int]:
    return {amount(size): tasks for size, tasks in lane.ended} if lane.ended else NONE


def ahead_s(
    yard: Yard,
    lanes: Sequence[Lane],
    used: Ints,
    uses: Sequence[LaneUse | None],
    windows: Mapping[str, Window],
) -> Floats:
    """Predicted seconds of work that may be added to the queue of each lane that keeps one."""
    limits_s = [windows.get(lane.name, FIRST).limit_s if lane.queues else 0.0 for lane in lanes]
    return room_s(np.array(limits_s), waiting_s(yard, used, uses))


def waiting_s(yard: Yard, used: Ints, uses: Sequence[LaneUse | None]) -> Floats:
    """Predicted seconds that each lane needs for the work in it that has no room yet."""
    whole = yard.one * yard.instances[:, None]
    share = (used / np.where(whole > 0, whole, np.inf)).max(axis=1, initial=0.0)
    starting = np.array([use.starting if use else 0 for use in uses])
    starting_s = np.array([use.starting_s if use and use.starting else 0.0 for use in uses])
    found: Floats = np.maximum(share - 1.0, 0.0) * starting_s / np.maximum(starting, 1)
    return found


def in_use(use: LaneUse | None, ended: Mapping[Amount, int]) -> tuple[int, int, int]:
    """What a lane's tasks hold, less those that have ended."""
    held = use.amount if use else NOTHING
    if not ended:
        return held[:3]
    for each, tasks in ended.items():
        held = held.plus(each, -tasks)
    return max(0, held.mcpu), max(0, held.mib), max(0, held.gpus)


def ready(yard: Yard, lanes: Sequence[Lane], used: Ints) -> Ints:
    """Instances that run; where the engine does not say, those in use, or all if they are free."""

    def said(lane: Lane) -> int:
        if lane.running is not None:
            return lane.running
        return 0 if lane.price_usd_hour else lane.instances

    run = np.array([said(lane) for lane in lanes], dtype=np.int64)
    found: Ints = np.minimum(np.maximum(run, instances_filled(used, yard.one)), yard.instances)
    return found


def queueing(
    yard: Yard, lanes: Sequence[Lane], used: Ints, shut: Collection[int]
) -> npt.NDArray[np.bool_]:
    """The lanes in whose own queue somebody waits: first come, first served, of one resource there
    may be plenty.
    """
    keeps = np.array([lane.queues for lane in lanes], dtype=bool)
    found: npt.NDArray[np.bool_] = keeps & (instances_filled(used, yard.one) > yard.instances)
    found[list(shut)] = True
    return found


def instances_filled(used: Ints, one: Ints) -> Ints:
    """Whole instances that the used resources fill at the least."""
    filled: Ints = (-(-used // np.maximum(one, 1))).max(axis=1)
    return filled
