"""The room that is kept for the head of the queue: where and when it will fit first. Pure.

EASY backfilling (Lifka, 1995): others go ahead of the head as long as they do not delay it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from queue_broker.core.amounts import Amount
from queue_broker.core.capacity import Board
from queue_broker.core.holes import Holes
from queue_broker.core.ledger import Ledger
from queue_broker.core.yard import Ints


@dataclass(frozen=True, slots=True)
class Reservation:
    """The room kept for the head of the queue: where, from when, and what it leaves to others."""

    place: int
    in_s: float
    spare: Holes


#: Nowhere: the head fits no lane, however many end.
NO_RESERVATION = Reservation(-1, 0.0, Holes({}))


def reserve(
    each: Amount, together: int, places: Ints, board: Board, ledger: Ledger, now_s: float
) -> Reservation:
    """Where and when the head of the queue, or as many of its tasks as go together, fits first."""
    keeping = Keeping(each, together, board, ledger, now_s)
    found = [
        option
        for place in map(int, places)
        if board.open[place] and (option := keeping.at(place)) is not None
    ]
    return min(found, key=lambda option: (option.in_s, option.place), default=NO_RESERVATION)


@dataclass(frozen=True, slots=True)
class Keeping:
    """For so many tasks of the head, as the predicted ends come."""

    each: Amount
    together: int
    board: Board
    ledger: Ledger
    now_s: float

    def at(self, place: int) -> Reservation | None:
        """The lane's first moment with room."""
        holes = self.board.holes(self.each, place)
        if holes is None:
            return self.by_sum(place)
        if self.together == 1:
            return self.by_instance(place, holes)
        found = self.by_sum(place)
        # Enough in sum, and not on the instances: until it is, nobody else may have the scraps.
        return found and Reservation(place, found.in_s, Holes({}))

    def by_sum(self, place: int) -> Reservation | None:
        need = Amount().plus(self.each, self.together)
        free, in_s = self.board.free(place), 0.0
        for end_s, bare, tasks in sorted(self._ends(place)):
            if need.within(free):
                break
            free, in_s = free.plus(bare, tasks), end_s
        if not need.within(free):
            return None
        return Reservation(place, in_s, Holes({"": free.plus(need, -1)}))

    def _ends(self, place: int) -> Iterable[tuple[float, Amount, int]]:
        """Seconds until each leak ends, and what its tasks hold."""
        for entry in self.ledger.in_lane(self.board.yard.lanes[place].name):
            yield self.ledger.remaining_s(entry.leak, self.now_s), entry.bare, entry.open

    def by_instance(self, place: int, holes: Holes) -> Reservation | None:
        """The instance that has room first. Others get what is free on fuller ones, which ECS's
        binpack fills before it."""
        ends = self._ends_by_instance(place)
        waits = {name: self._wait_s(left, ends[name]) for name, left in holes.free.items()}
        in_s, name = min(((wait_s, name) for name, wait_s in waits.items()), default=(inf, ""))
        if in_s == inf:
            return None
        fuller = {one: left for one, left in holes.free.items() if left < holes.free[name]}
        return Reservation(place, in_s, Holes(fuller))

    def _ends_by_instance(self, place: int) -> dict[str, list[tuple[float, Amount]]]:
        found: dict[str, list[tuple[float, Amount]]] = defaultdict(list)
        for entry in self.ledger.in_lane(self.board.yard.lanes[place].name):
            leak = entry.leak
            end_s = self.ledger.remaining_s(leak, self.now_s)
            for task in leak.running:
                name = self.board.seating.runs.instance(leak.name, task)
                found[name].append((end_s, entry.bare))
        return found

    def _wait_s(self, free: Amount, ends: Iterable[tuple[float, Amount]]) -> float:
        """Seconds until an instance has room, as what runs on it ends."""
        in_s = 0.0
        for end_s, bare in sorted(ends):
            if self.each.within(free):
                break
            free, in_s = free.plus(bare), end_s
        return in_s if self.each.within(free) else inf
