"""Which running tasks are stopped for the first tier. Pure.

Where a task of the first tier would miss its promise, and where its wait for the next end is worth
more than what stopping others loses: only tasks of preemptible tiers, the cheapest to lose first
(work done x price; what has not started is lost for nothing, and what writes checkpoints for
little), and never more than needed. They are requeued with no attempt lost.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count
from math import inf
from typing import NamedTuple

from queue_broker.core.hints import hints_of
from queue_broker.core.lanes import Lane, Want
from queue_broker.core.victims import Scene, Victim, by_leak
from queue_broker.core.whole import goes_whole
from queue_broker.core.yard import Ranking
from queue_broker.records import Group, Tasks

#: Of one pass; the next sees what is still short.
MOST_STOPPED = 500
#: A second of the first tier's wait is worth so many of the work that is lost for it.
WORTH = 4.0
NEVER = (inf, -1, 0)
TAKEN_BACK = "taken back before it had started, to make room in its lane; no attempt was lost"
REASON = "stopped to make room for a task of a higher tier; no attempt was lost"


def choose(blocked: Sequence[Group], promise_s: float, scene: Scene) -> dict[str, Tasks]:
    """Tasks to stop, by leak, for the groups that found no room."""
    if scene.preemptible.isdisjoint(tier for tier, _ in scene.ledger.tenants):
        return {}
    places = range(len(scene.yard.lanes))
    lanes = {at: Lane(at, scene, promise_s) for at in places if not scene.lane(at).closed}
    makings: dict[tuple[Ranking, int], Making] = {}
    left = MOST_STOPPED
    # Who has waited the longest first: the others have the time for ends that come later.
    for group in sorted(blocked, key=lambda group: group.queued_at_s):
        tasks, ranking = scene.left_of(group), scene.yard.ranking(group)
        if left <= 0:
            break
        if tasks <= 0:
            continue
        at_once = together(group, tasks, ranking, scene)
        making = makings.get((ranking, at_once))
        if making is None:
            making = making_for(ranking, at_once, lanes, scene)
            makings[ranking, at_once] = making
        left_s = promise_s - (scene.now_s - group.queued_at_s)
        for victims in making.stops(tasks if at_once == 1 else 1, left_s):
            left -= len(victims)
            if left <= 0:
                break
    return by_leak(victim for lane in lanes.values() for victim in lane.gone())


def together(group: Group, tasks: int, ranking: Ranking, scene: Scene) -> int:
    """How many tasks find room in one lane or not at all: a gang, and of an array that goes whole
    as many as a lane could ever hold. A job's nodes count as so many."""
    if ranking.instances:
        return ranking.instances
    if group.job.tags and hints_of(group.job).gang:
        return tasks
    if goes_whole(group) and any(lane.index_by_shim for lane in scene.yard.lanes):
        ever = scene.yard.holds(ranking.each) * scene.yard.instances
        return min(tasks, int(ever[ranking.order].max(initial=1)))
    return 1


def making_for(ranking: Ranking, at_once: int, lanes: Mapping[int, Lane], scene: Scene) -> Making:
    """Out of the open lanes that could ever hold so many."""
    ever = scene.yard.holds(ranking.unit) * scene.yard.instances
    suit = [lanes[at] for at in ranking.order.tolist() if at in lanes and ever[at] >= at_once]
    return Making(Want(ranking.unit, at_once), suit)


class Making:
    """Room for tasks of one shape, out of the lanes that suit it. It is kept from group to group,
    so that what has no room and what has passed is not looked at for each of them."""

    def __init__(self, want: Want, lanes: Sequence[Lane]) -> None:
        self.want = want
        self.lanes = {lane.place: lane for lane in lanes}
        self.full: dict[int, int] = {}  #: by place, the changes of a lane that had no room
        self.ends: list[tuple[float, int, int]] | None = None  #: seconds to a start, place, number
        self.going: Going | None = None
        self.waited_s: dict[int, float] = {}  #: by place, for the next task, and room is short yet
        self.passed_over = False  #: whether there are ends that were not worth waiting for
        self.spent = False  #: there is no room, and nobody to stop

    def stops(self, tasks: int, left_s: float) -> Iterator[tuple[Victim, ...]]:
        """Whom to stop for one task after the other, until all have room in time: whichever costs
        less, to wait for the next end or to stop somebody."""
        if self.spent:
            return
        tasks -= self.fill(tasks)
        if tasks and self.going is not None:
            self.going.refresh()
        while tasks:
            if self.had_better_wait(left_s):
                tasks -= self.wait(tasks)
                continue
            victims = self.stopped().next()
            if victims is not None:
                tasks -= 1
                self.waited_s = {}
                yield victims
            elif not self.passed_over:
                break
            self.look_again()
        self.spent, self.waited_s = tasks > 0, {}

    def fill(self, tasks: int) -> int:
        """How many tasks have room now."""
        went = 0
        for place, lane in self.lanes.items():
            if self.full.get(place) == lane.changes:
                continue
            went += lane.fill(self.want, tasks - went)
            if went == tasks:
                break
            self.full[place] = lane.changes
        return went

    def next_end(self) -> tuple[float, int, int]:
        """Where somebody could start the soonest after an end, and which end that is."""
        if self.ends is None:
            self.ends = [self.end_after(lane, 0) for lane in self.lanes.values()]
            heapq.heapify(self.ends)
        return self.ends[0] if self.ends else NEVER

    def end_after(self, lane: Lane, at: int) -> tuple[float, int, int]:
        end_s, at = lane.next_end(at)
        return end_s + lane.delay_s, lane.place, at

    def had_better_wait(self, left_s: float) -> bool:
        """Whether an end comes in time, and to stop others now instead would lose more; one that
        leaves somebody to be stopped all the same is passed over, unless it spares more than the
        wait is worth. What comes while a task starts needs no comparing: whoever is stopped has to
        start anew too.
        """
        while True:
            start_s, place, at = self.next_end()
            if start_s > left_s or start_s == inf:
                return False
            lane = self.lanes[place]
            end_s = start_s - lane.delay_s
            instead = None if end_s <= lane.delay_s else self.stopped().best()
            if instead is None:
                return True
            second = WORTH * instead.lane.worth(self.want)
            loses = instead.loss + second * self.waited_s.get(instead.place, 0.0)
            if second * end_s > loses:
                return False
            if second * end_s + lane.loss_after(at, self.want) <= loses:
                return True
            self.go_on(lane, at)
            self.passed_over = True

    def wait(self, tasks: int) -> int:
        """How many tasks the next end makes room for."""
        start_s, place, at = self.next_end()
        lane = self.lanes[place]
        passes = lane.passes_until(at, self.want)
        self.go_on(lane, at)
        filled = lane.fill(self.want, tasks) if passes else 0
        self.waited_s = {place: start_s - lane.delay_s} if passes and not filled else {}
        if self.going is not None:
            self.going.refresh(lane)
        return filled

    def look_again(self) -> None:
        """For the next task the ends that were passed over may be worth waiting for."""
        if self.passed_over:
            self.ends, self.passed_over = None, False

    def go_on(self, lane: Lane, at: int) -> None:
        """To the end after this one, which is the next of all."""
        if self.ends:
            heapq.heapreplace(self.ends, self.end_after(lane, at + 1))

    def stopped(self) -> Going:
        """Made where it is needed alone: it looks at every task that runs."""
        if self.going is None:
            self.going = Going(self.lanes.values(), self.want)
        return self.going


class Going:
    """Who would go for one more task of a shape after the other, where that costs least."""

    def __init__(self, lanes: Collection[Lane], want: Want) -> None:
        self.lanes = lanes
        self.want = want
        self.seen: dict[int, int] = {}  #: by place, the changes of a lane when it was asked
        self.latest: dict[int, Offer | None] = {}
        self.offers: list[Offer] = []
        self.numbers = count()
        self.refresh()

    def refresh(self, *lanes: Lane) -> None:
        """Ask those lanes, or all, that are others than they were."""
        for lane in lanes or self.lanes:
            if self.seen.get(lane.place) != lane.changes:
                self.seen[lane.place] = lane.changes
                self._ask(lane)

    def _ask(self, lane: Lane) -> None:
        victims = lane.offer_for(self.want)
        offer = None
        if victims is not None:
            loss = sum(victim.loss for victim in victims)
            offer = Offer(loss, lane.place, next(self.numbers), lane, victims)
            heapq.heappush(self.offers, offer)
        self.latest[lane.place] = offer

    def best(self) -> Offer | None:
        """What would lose the least."""
        while self.offers and self.latest[self.offers[0].place] is not self.offers[0]:
            heapq.heappop(self.offers)
        return self.offers[0] if self.offers else None

    def next(self) -> tuple[Victim, ...] | None:
        """They are taken out of their lane, which alone makes another offer then."""
        offer = self.best()
        if offer is None:
            return None
        offer.lane.accept(self.want, offer.victims)
        self.refresh(offer.lane)
        return offer.victims


class Offer(NamedTuple):
    """Who would go in a lane, and what that would lose; a tie goes to the first place."""

    loss: float
    place: int
    number: int
    lane: Lane
    victims: tuple[Victim, ...]
