"""Which running tasks are stopped for the first tier. Pure.

Where a task of the first tier would miss its promise, and where its wait for the next end is worth
more than what stopping others loses: only tasks of preemptible tiers, the cheapest to lose first
(work done x price; what has not started is lost for nothing, and what writes checkpoints for
little), and never more than needed. They are requeued with no attempt lost.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from math import inf
from typing import NamedTuple

from queue_broker.core.amounts import Amount
from queue_broker.core.rooms import Lane, Room
from queue_broker.core.victims import Scene, Victim
from queue_broker.core.yard import Ranking
from queue_broker.records import Group, Tasks

#: Of one pass; the next sees what is still short.
MOST_STOPPED = 500
#: A second of the first tier's wait is worth so many of the work that is lost for it.
WORTH = 4.0
TAKEN_BACK = "taken back before it had started, to make room in its lane; no attempt was lost"
REASON = "stopped to make room for a task of a higher tier; no attempt was lost"


def choose(blocked: Sequence[Group], promise_s: float, scene: Scene) -> dict[str, Tasks]:
    """Tasks to stop, by leak, for the groups that found no room."""
    stopped: dict[str, Tasks] = defaultdict(Tasks)
    if scene.preemptible.isdisjoint(tier for tier, _ in scene.ledger.tenants):
        return {}
    lanes = {place: Lane(place, scene, promise_s) for place in range(len(scene.yard.lanes))}
    spent: set[Ranking] = set()  #: shapes for which nobody could be stopped any more
    left = MOST_STOPPED
    # Who has waited the longest first: the others have the time for ends that come later.
    for group in sorted(blocked, key=lambda group: group.queued_at_s):
        ranking = scene.yard.ranking(group)
        if ranking in spent:
            continue
        places = [at for at in ranking.order.tolist() if not scene.blocks.refuses(ranking.each, at)]
        worth = WORTH * (ranking.priced.nusd or ranking.each.share(scene.yard.fleet))
        making = Making(Want(ranking.each, worth), [lanes[place] for place in places])
        left_s = promise_s - (scene.now_s - group.queued_at_s)
        for victims in making.stops(scene.left_of(group), left_s):
            for victim in victims:
                stopped[victim.leak].add(victim.task)
            left -= len(victims)
            if left <= 0:
                return dict(stopped)
        if making.short:
            spent.add(ranking)
    return dict(stopped)


class Want(NamedTuple):
    """What a task of the first tier needs, and what a second of its wait is worth."""

    each: Amount
    worth: float


class Making:
    """Room for tasks of one shape, out of the lanes that suit it."""

    def __init__(self, want: Want, lanes: Sequence[Lane]) -> None:
        self.want = want
        self.lanes = {lane.place: lane for lane in lanes}
        self.ends: list[tuple[float, int, int]] = []
        self.going: Going | None = None
        self.short = 0  #: tasks for which there is no room, and nobody to stop

    def stops(self, tasks: int, left_s: float) -> Iterator[tuple[Victim, ...]]:
        """Whom to stop for one task after the other, until all have room in time: whichever costs
        less, to wait for the next end or to stop somebody."""
        for lane in self.lanes.values():
            tasks -= lane.fill(self.want.each, tasks)
        if tasks:
            self.ends = [(lane.end_s(0), lane.place, 0) for lane in self.lanes.values()]
            heapq.heapify(self.ends)
        while tasks:
            if self.had_better_wait(left_s):
                tasks -= self.wait(tasks)
                continue
            victims = self.stopped().next()
            if victims is None:
                break
            tasks -= 1
            yield victims
        self.short = tasks

    def had_better_wait(self, left_s: float) -> bool:
        """Whether the next end comes in time, and to stop somebody instead would lose more. What
        comes while a task starts needs no comparing: whoever is stopped has to start anew too."""
        if not self.ends:
            return False
        end_s, place, _ = self.ends[0]
        delay_s = self.lanes[place].delay_s
        if end_s + delay_s > left_s:
            return False
        return end_s <= delay_s or end_s * self.want.worth <= self.stopped().loss()

    def wait(self, tasks: int) -> int:
        """How many tasks the next end makes room for."""
        _, place, at = self.ends[0]
        lane = self.lanes[place]
        heapq.heapreplace(self.ends, (lane.end_s(at + 1), place, at + 1))
        if not lane.passes(at, self.want.each):
            return 0
        filled = lane.fill(self.want.each, tasks)
        if self.going is not None:
            self.going.renew(lane)
        return filled

    def stopped(self) -> Going:
        """Made where it is needed alone: it looks at every task that runs."""
        if self.going is None:
            self.going = Going(self.lanes.values(), self.want.each)
        return self.going


class Going:
    """Who would go for one more task of a shape after the other, where that costs least."""

    def __init__(self, rooms: Iterable[Room], each: Amount) -> None:
        self.each = each
        self.latest: dict[int, Offer | None] = {}
        self.offers: list[Offer] = []
        self.numbers = count()
        for room in rooms:
            self.renew(room)

    def renew(self, room: Room) -> None:
        """The room is another than it was."""
        victims = room.offer(self.each)
        offer = None
        if victims is not None:
            loss = sum(victim.loss for victim in victims)
            offer = Offer(loss, room.place, next(self.numbers), room, victims)
            heapq.heappush(self.offers, offer)
        self.latest[room.place] = offer

    def loss(self) -> float:
        """What the next would lose."""
        while self.offers and self.latest[self.offers[0].place] is not self.offers[0]:
            heapq.heappop(self.offers)
        return self.offers[0].loss if self.offers else inf

    def next(self) -> tuple[Victim, ...] | None:
        """They are taken out of their room, which alone makes another offer then."""
        if self.loss() == inf:
            return None
        offer = heapq.heappop(self.offers)
        offer.room.accept(self.each, offer.victims)
        self.renew(offer.room)
        return offer.victims


class Offer(NamedTuple):
    """Who would go in a room, and what that would lose; a tie goes to the first place."""

    loss: float
    place: int
    number: int
    room: Room
    victims: tuple[Victim, ...]
