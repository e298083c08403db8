"""The lanes as a choice of whom to stop goes on, and of several instances, where it is known who
runs on which, each. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import inf
from typing import NamedTuple

from queue_broker.core.amounts import NOTHING, Amount, priced, resources
from queue_broker.core.capacity import ended_in
from queue_broker.core.holes import Holes, may_scatter
from queue_broker.core.ledger import Entry, LaneUse
from queue_broker.core.rooms import Ends, Room, instances, least
from queue_broker.core.runs import NOBODY
from queue_broker.core.victims import Scene, Victim, victims_of
from queue_broker.records import Leak, Tasks


class Want(NamedTuple):
    """What a task of the first tier needs, and how many of them go together or not at all."""

    each: Amount
    together: int = 1

    @property
    def all(self) -> Amount:
        return Amount().plus(self.each, self.together)


class Lane(Room):
    """A lane as the choice goes on; all its instances together are one room."""

    def __init__(self, place: int, scene: Scene, promise_s: float) -> None:
        self.scene = scene
        now = scene.lane(place)
        use = scene.ledger.lanes.get(now.name) or LaneUse()
        super().__init__(place, scene.yard.wholes[place].plus(use.amount.bare, -1), self.find)
        self.delay_s = min(scene.delays_s.get(now.name, 0.0), promise_s / 2)
        self.several = now.instances > 1
        self.entries = use.entries
        self.held = dict(use.alike)  #: tasks by what they hold
        self.changes = 0  #: tells whether it is as it was
        self._ends: list[tuple[float, Entry]] | None = None
        self._first_end = 0  #: all before it count as free
        self._rooms: Mapping[str, Room] | None = None
        self._accepted: list[tuple[Want, tuple[Victim, ...]]] = []
        self._given_up: dict[str, Tasks] = defaultdict(Tasks)
        for gone in (ended_in(now), scene.leaving.get(now.name, {})):
            for each, tasks in gone.items():
                self.shift(each, -tasks)
        self._filled = Counter(scene.taken.get(now.name, {}))
        for each, tasks in self._filled.items():
            self.shift(each, tasks)

    def find(self) -> Iterator[Victim]:
        return victims_of(self.entries.values(), self.place, self.scene)

    def worth(self, want: Want) -> float:
        """What a second is worth of what is wanted, if it ran here."""
        lane = self.scene.yard.lanes[self.place]
        each = priced(resources(want.each), lane.shape, lane.price_usd_hour)
        return want.together * self.scene.worth(each)

    def shift(self, each: Amount, tasks: int) -> None:
        super().shift(each, tasks)
        self.held[each] = self.held.get(each, 0) + tasks
        self.changes += 1

    def slots(self, each: Amount) -> int:
        """How many more tasks of this very shape the instances can hold, whatever the sum of the
        scraps."""
        yard = self.scene.yard
        most = int(yard.holds(each)[self.place]) * int(yard.instances[self.place])
        return most - self.held.get(each, 0)

    def fill(self, want: Want, most: int) -> int:
        """Tasks that have room now; it is taken. A lane that holds more than it has room for keeps
        a queue: a task would wait behind it."""
        if not NOTHING.within(self.free):
            return 0
        count = want.all.times_into(self.free, most)
        if count:
            count = min(count, max(0, self.slots(want.each)) // want.together)
        if count and (rooms := self._at_risk(want.each)):
            upto = count * want.together
            holds = sum(want.each.times_into(room.free, upto) for room in rooms.values())
            count = min(count, holds // want.together)
        if count:
            self._seat(want.each, count * want.together)
        return count

    def _at_risk(self, each: Amount) -> Mapping[str, Room]:
        """The instances, where the lane's sum may be all scraps for such a task and it is known."""
        scatters = may_scatter(each, self.scene.lane(self.place), self.held)
        return self.rooms() if scatters else {}

    def _seat(self, each: Amount, tasks: int) -> None:
        """What is wanted has room."""
        self.shift(each, tasks)
        self._filled[each] += tasks
        if self._rooms:
            seat(each, tasks, self._rooms)

    def next_end(self, at: int = 0) -> tuple[float, int]:
        """Predicted seconds until the next leak ends that is not counted as free, and where it
        stands among the ends; `at`: not before this one."""
        ends, at = self.ends(), max(at, self._first_end)
        while at < len(ends) and ends[at][1].leak.name in self.spared:
            at += 1
        return (ends[at][0] if at < len(ends) else inf), at

    def passes_until(self, at: int, want: Want) -> bool:
        """Count the room of that leak as free, and of those that end before. Where there are
        several instances that one's alone, if it is enough for a task: scraps of several are no
        room.
        """
        if not self.scraps(want):
            passed = [self.passes(one) for one in range(self._first_end, at + 1)]
            return any(passed)
        return self._makes_room(self.ends()[at][1], want.each) and self.passes(at)

    def _makes_room(self, entry: Entry, each: Amount) -> bool:
        """Whether a leak's end is enough for a task; where it is known, on one instance."""
        rooms = self._at_risk(each)
        if not rooms:
            return each.within(self.free.plus(entry.bare, self.staying(entry.leak)))
        where = self.scene.runs.instance
        staying = entry.leak.running - self.leaving(entry.leak)
        ends = Counter(where(entry.leak.name, task) for task in staying)
        return any(each.within(rooms[on].free.plus(entry.bare, n)) for on, n in ends.items())

    def scraps(self, want: Want) -> bool:
        """Whether what is free may be scattered too much for what is wanted."""
        return self.several and want.together == 1

    def passes(self, at: int) -> bool:
        """Count the room of that leak as free, so that nobody has to stop it."""
        entry = self.ends()[at][1]
        if entry.leak.name in self.spared:
            return False
        self.end(entry, self.staying(entry.leak))
        if self._rooms:
            self._end(entry, self._rooms)
        _, self._first_end = self.next_end(self._first_end)
        return True

    def loss_after(self, at: int, want: Want) -> float:
        """What those would lose who still go here once that leak has ended and all before it."""
        if self.scraps(want):
            return 0.0  # it makes all the room, or is not waited for
        free, ended = self.free, set[str]()
        for _, entry in self.ends()[self._first_end : at + 1]:
            if entry.leak.name not in self.spared:
                free = free.plus(entry.bare, self.staying(entry.leak))
                ended.add(entry.leak.name)
        offer = self.offer(want.all, ends=Ends(free, ended))
        return inf if offer is None else sum(victim.loss for victim in offer)

    def staying(self, leak: Leak) -> int:
        """How many of its tasks there are whose room does not count as free yet."""
        return len(leak.open - self.leaving(leak))

    def leaving(self, leak: Leak) -> Tasks:
        """Tasks whose room counts as free before their leak ends."""
        return self.scene.runs.being_stopped(leak) | self._given_up.get(leak.name, NOBODY)

    def ends(self) -> list[tuple[float, Entry]]:
        """The next one first."""
        if self._ends is None:
            left_s, now_s = self.scene.ledger.remaining_s, self.scene.now_s
            ends = [(left_s(entry.leak, now_s), entry) for entry in self.entries.values()]
            self._ends = sorted(ends, key=lambda end: (end[0], end[1].leak.leak_id))
        return self._ends

    def offer_for(self, want: Want) -> tuple[Victim, ...] | None:
        """Who would go so that what is wanted fits. Where the room of one alone is not enough they
        are of one instance, where it is known who runs on which; beside them goes what would queue
        for their room. (An instance may have room already, which what has not started is to have.)
        """
        lacking = max(0, want.together - self.slots(want.each))
        alike = (victim for victim in self.going() if victim.frees == want.each)
        sure = tuple(islice(alike, lacking))
        if len(sure) < lacking:
            return None
        offer = self.offer(want.all, sure)
        if offer is None or want.together > 1 or enough(offer, want.each) or not self.rooms():
            return offer
        together = least(room.offer(want.each) for room in self.rooms().values())
        return self.offer(want.each, together) if together else offer if together == () else None

    def accept(self, want: Want, offer: tuple[Victim, ...]) -> None:
        """They go, and what is wanted has their room."""
        for victim in offer:
            self.give_up(victim)
            self._given_up[victim.leak].add(victim.task)
        self.shift(want.each, want.together)
        self._accepted.append((want, offer))
        if self._rooms:
            self._replace(want, offer, self._rooms)

    def gone(self) -> list[Victim]:
        """Who goes in the end: not those whom somebody larger, who goes too, made needless."""
        gone = [victim for _, offer in self._accepted for victim in offer]
        for victim in sorted(gone, key=lambda one: (-one.loss, one.leak, one.task)):
            room = self._room_of(victim)
            if room is not None and room.could_stay(victim) and self.could_stay(victim):
                gone.remove(victim)
                for one in {self, room}:
                    one.shift(victim.frees, 1)
        return gone

    def _room_of(self, victim: Victim) -> Room | None:
        if not self.several:
            return self
        return self.rooms().get(self.scene.runs.instance(*victim.key))

    def rooms(self) -> Mapping[str, Room]:
        """The instances, as the choice goes on, where it is known who runs on which of several."""
        if self._rooms is None:
            self._rooms = instances(self.place, self.scene) if self.several else {}
            if self._rooms:
                for each, tasks in self._filled.items():
                    seat(each, tasks, self._rooms)
                for want, offer in self._accepted:
                    self._replace(want, offer, self._rooms)
                for leak in self.spared:
                    self._end(self.entries[leak], self._rooms)
        return self._rooms

    def _end(self, entry: Entry, rooms: Mapping[str, Room]) -> None:
        """What a leak holds on instances counts as free."""
        leak = entry.leak
        for task in leak.running - self.leaving(leak):
            rooms[self.scene.runs.instance(leak.name, task)].end(entry, 1)

    def _replace(self, want: Want, offer: Sequence[Victim], rooms: Mapping[str, Room]) -> None:
        """Those who go leave their instances, and what is wanted goes to one of them."""
        left: dict[str, Room] = {}
        for victim in offer:
            name = self.scene.runs.instance(*victim.key)
            if name in rooms:
                left[name] = rooms[name]
                rooms[name].give_up(victim)
        home = next((room for room in left.values() if want.each.within(room.free)), None)
        if home is not None and want.together == 1:
            home.shift(want.each, 1)


def seat(each: Amount, tasks: int, rooms: Mapping[str, Room]) -> None:
    """So many tasks go to the instances that ECS's binpack takes first, as far as they find any."""
    holes = Holes({name: room.free for name, room in rooms.items()})
    holes.seat(each, tasks)
    for name, left in holes.free.items():
        rooms[name].free = left


def enough(offer: Sequence[Victim], each: Amount) -> bool:
    """Whether the room of one alone is enough, so that it does not matter where the others are."""
    return len(offer) == 1 and each.within(offer[0].frees)
