"""Room for the first tier: what is free, what comes free by itself, and who could be stopped for
it, by lane and, where it is known who runs where, by instance. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf

from queue_broker.core.amounts import NOTHING, Amount
from queue_broker.core.ledger import Entry
from queue_broker.core.victims import Scene, Victim, one_of, victims_of
from queue_broker.records import Tasks


class Room:
    """What is or comes free at one place, which is a number, and who could be stopped there."""

    def __init__(self, place: int, free: Amount, found: Callable[[], Iterable[Victim]]) -> None:
        self.place = place
        self.free = free
        self._found = found
        self._victims: list[Victim] | None = None

    def victims(self) -> list[Victim]:
        """Who could be stopped here, the cheapest first."""
        if self._victims is None:
            self._victims = sorted(self._found(), key=lambda one: (one.loss, one.leak, one.task))
        return self._victims

    def leave(self, leak: str) -> None:
        """Its tasks are not to be stopped any more."""
        if self._victims is not None:
            self._victims = [victim for victim in self._victims if victim.leak != leak]

    def offer(self, each: Amount) -> tuple[Victim, ...] | None:
        """Who would go so that one more task fits; None where that is not enough."""
        free, going = self.free, []
        for victim in self.victims():
            if each.within(free):
                break
            going.append(victim)
            free = free.plus(victim.frees)
        if not each.within(free):
            return None
        for victim in reversed(tuple(going)):  # the dearest first: was it needed after all?
            if each.within(free.plus(victim.frees, -1)):
                going.remove(victim)
                free = free.plus(victim.frees, -1)
        return tuple(going)

    def accept(self, each: Amount, offer: Sequence[Victim]) -> None:
        gone = set(offer)
        self._victims = [victim for victim in self.victims() if victim not in gone]
        for victim in offer:
            self.free = self.free.plus(victim.frees)
        self.free = self.free.plus(each, -1)


class Lane(Room):
    """A lane as the choice goes on; all its instances together are one room."""

    def __init__(self, place: int, scene: Scene, promise_s: float) -> None:
        self.scene = scene
        name = scene.yard.lanes[place].name
        self.delay_s = min(scene.delays_s.get(name, 0.0), promise_s / 2)
        use = scene.ledger.lanes.get(name)
        self.entries = list(use.entries.values()) if use else []
        self.over: set[str] = set()  #: leaks whose room counts as free
        free = Amount().plus(one_of(scene.yard, place), int(scene.yard.instances[place]))
        free = free.plus(use.amount.bare if use else Amount(), -1)
        free = free.plus(scene.taken.get(name, Amount()), -1)
        for entry in self.entries:
            free = free.plus(entry.bare, entry.open - self.going_on(entry))
        super().__init__(place, free, self.find)
        self._ends: list[tuple[float, Entry]] | None = None
        self._rooms: Mapping[str, Room] | None = None

    def find(self) -> Iterator[Victim]:
        return victims_of(
            (entry for entry in self.entries if entry.leak.name not in self.over),
            self.place,
            self.scene,
        )

    def going_on(self, entry: Entry) -> int:
        """How many of a leak's tasks nobody stops yet."""
        stopping = self.scene.runs.stopping.get(entry.leak.name)
        return len(entry.leak.open - stopping) if stopping else entry.open

    def fill(self, each: Amount, most: int) -> int:
        """Tasks that have room now; it is taken. A lane that holds more than it has room for keeps
        a queue: a task would wait behind it."""
        count = each.times_into(self.free, most) if most and NOTHING.within(self.free) else 0
        self.free = self.free.plus(each, -count)
        return count

    def end_s(self, at: int) -> float:
        """Predicted seconds until the end of the leak that ends so late here, from 0."""
        ends = self.ends()
        return ends[at][0] if at < len(ends) else inf

    def passes(self, at: int, each: Amount) -> bool:
        """Count the room of that leak as free, so that nobody has to stop it. Where there are
        several instances only if it is enough for a task: scraps of several are no room.
        """
        entry = self.ends()[at][1]
        free = self.free.plus(entry.bare, self.going_on(entry))
        several = self.scene.yard.instances[self.place] > 1
        if entry.leak.name in self.over or (several and not each.within(free)):
            return False
        self.free = free
        self.over.add(entry.leak.name)
        self.leave(entry.leak.name)
        return True

    def ends(self) -> list[tuple[float, Entry]]:
        """The next one first."""
        if self._ends is None:
            left_s, now_s = self.scene.ledger.remaining_s, self.scene.now_s
            ends = [(left_s(entry.leak, now_s), entry) for entry in self.entries]
            self._ends = sorted(ends, key=lambda end: (end[0], end[1].leak.leak_id))
        return self._ends

    def offer(self, each: Amount) -> tuple[Victim, ...] | None:
        """Those of several are on one instance, where it is known who runs on which. (One may have
        room already, which what has not started yet is to have.)"""
        offer = super().offer(each)
        if offer is None or len(offer) < 2 or not self.rooms():
            return offer
        together = least(room.offer(each) for room in self.rooms().values())
        return offer if together == () else together

    def accept(self, each: Amount, offer: Sequence[Victim]) -> None:
        super().accept(each, offer)
        one = self._rooms and self._rooms.get(self.scene.runs.instance(*offer[0].key))
        if one:
            one.accept(each, offer)

    def rooms(self) -> Mapping[str, Room]:
        if self._rooms is None:
            several = self.scene.yard.instances[self.place] > 1
            self._rooms = instances(self.place, self.scene) if several else {}
        return self._rooms


def least(offers: Iterable[tuple[Victim, ...] | None]) -> tuple[Victim, ...] | None:
    """The offer that loses the least."""
    made = [offer for offer in offers if offer is not None]
    return min(made, key=lambda offer: sum(victim.loss for victim in offer), default=None)


def instances(place: int, scene: Scene) -> dict[str, Room]:
    """The instances of a lane on which something runs; none unless it is known of every task on
    which one that is.
    """
    use = scene.ledger.lanes.get(scene.yard.lanes[place].name)
    held = list(use.entries.values()) if use else []
    free = free_by_instance(held, one_of(scene.yard, place), scene)
    there: dict[str, list[Victim]] = defaultdict(list)
    for victim in victims_of(held, place, scene) if free else ():
        there[scene.runs.instance(victim.leak, victim.task)].append(victim)
    named = enumerate(sorted(free))
    return {name: Room(at, free[name], there[name].copy) for at, name in named}


def free_by_instance(held: Iterable[Entry], one: Amount, scene: Scene) -> Mapping[str, Amount]:
    """What is or comes free on each; nothing where it is not known of some task where it runs."""
    free: dict[str, Amount] = {}
    for entry in held:
        where = scene.runs.instances.get(entry.leak.name, {})
        going = scene.runs.stopping.get(entry.leak.name, Tasks()) | entry.leak.cancelling
        for task in entry.leak.running:
            if task not in where:
                return {}
            left = free.get(where[task], one)
            free[where[task]] = left if task in going else left.plus(entry.bare, -1)
    return free
