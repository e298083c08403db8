"""Room for the first tier at one place: what is free, what comes free by itself, and who could be
stopped for it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from queue_broker.core.amounts import Amount
from queue_broker.core.holes import holes_in
from queue_broker.core.ledger import Entry
from queue_broker.core.victims import Scene, Victim, victims_of


class Ends(NamedTuple):
    """Leaks that have ended by some moment, and what is free then."""

    free: Amount
    leaks: Collection[str]


class Room:
    """What is or comes free at one place, which is a number, and who could be stopped there."""

    def __init__(self, place: int, free: Amount, found: Callable[[], Iterable[Victim]]) -> None:
        self.place = place
        self.free = free
        self.later = Amount()  #: what of it comes with ends that are waited for
        self.spared: set[str] = set()  #: leaks that are not to be stopped any more
        self._found = found
        self._victims: list[Victim] | None = None

    def victims(self) -> list[Victim]:
        """Who could be stopped here, the cheapest first; some may be spared by now."""
        if self._victims is None:
            self._victims = sorted(self._found(), key=lambda one: (one.loss, one.leak, one.task))
        return self._victims

    def going(self) -> Iterator[Victim]:
        """Those of them that are not spared."""
        found = self.victims()
        while found and found[0].leak in self.spared:
            del found[0]
        return (victim for victim in found if victim.leak not in self.spared)

    def shift(self, each: Amount, tasks: int) -> None:
        """So many tasks more hold room here, or fewer."""
        self.free = self.free.plus(each, -tasks)

    def end(self, entry: Entry, tasks: int) -> None:
        """What so many tasks of a leak hold counts as free, and they are stopped no more."""
        self.shift(entry.bare, -tasks)
        self.later = self.later.plus(entry.bare, tasks)
        self.spared.add(entry.leak.name)

    def could_stay(self, victim: Victim) -> bool:
        """Whether there is room for somebody who was to go after all, without any wait."""
        return victim.frees.within(self.free.plus(self.later, -1))

    def offer(
        self, each: Amount, sure: Sequence[Victim] = (), ends: Ends | None = None
    ) -> tuple[Victim, ...] | None:
        """Who would go so that one more task fits, `sure` in any case; None where that is not
        enough. With `ends`: once those leaks have ended."""
        free, ended = (self.free, ()) if ends is None else (ends.free, ends.leaks)
        for victim in sure:
            free = free.plus(victim.frees)
        surely, left, going = set(sure), free, list[Victim]()
        others = (one for one in self.going() if one not in surely and one.leak not in ended)
        while not each.within(left):
            following = next(others, None)
            if following is None:
                return None
            going.append(following)
            left = left.plus(following.frees)
        return (*sure, *needed(going, each, free))

    def give_up(self, victim: Victim) -> None:
        """He goes."""
        self.victims().remove(victim)
        self.shift(victim.frees, -1)


def needed(going: Sequence[Victim], each: Amount, free: Amount) -> list[Victim]:
    """Those who have to go beside what is free, the dearest spared first."""
    found = list(going)
    for victim in going:
        free = free.plus(victim.frees)
    for victim in reversed(going):
        if each.within(free.plus(victim.frees, -1)):
            found.remove(victim)
            free = free.plus(victim.frees, -1)
    return found


def least(offers: Iterable[tuple[Victim, ...] | None]) -> tuple[Victim, ...] | None:
    """The offer that loses the least."""
    made = [offer for offer in offers if offer is not None]
    return min(made, key=lambda offer: sum(victim.loss for victim in offer), default=None)


def instances(place: int, scene: Scene, *, seated: bool = True) -> dict[str, Room]:
    """The instances of a lane; none unless it is known of every task on which one it runs.
    `seated`: what has not started yet has its seats.
    """
    lane = scene.lane(place)
    use = scene.ledger.lanes.get(lane.name)
    held = list(use.entries.values()) if use else []
    holes = holes_in(lane, held, scene.runs, scene.runs.being_stopped)
    if holes is None:
        return {}
    if seated:
        holes.seat_starting(held, scene.runs)
    there: dict[str, list[Victim]] = defaultdict(list)
    for victim in victims_of(held, place, scene):
        there[scene.runs.instance(*victim.key)].append(victim)
    named = enumerate(sorted(holes.free))
    return {name: Room(at, holes.free[name], there[name].copy) for at, name in named}
