"""Who sits where: turns in, tasks by lane out. Pure.

The order decides who goes; this decides where: first on what runs already, then on what would have
to be started, cheapest first, and last behind others in lanes that keep a queue of their own. What
has to be started is then packed as a whole, since the packer finds cheaper fleets than one turn
after the other can. Few tasks are placed by what is known of each instance: where it costs least,
so not on one that they would keep running for more than a new one costs; without the time for a
start, on what has started.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np

from headgate.resources import Resources
from queue_broker.core.amounts import UNBOUNDED, Amount, amount
from queue_broker.core.capacity import Board
from queue_broker.core.fairness import Turn
from queue_broker.core.hosts import Hosts
from queue_broker.core.ledger import foretold
from queue_broker.core.repack import Cold, repack
from queue_broker.core.reservation import Reservation, reserve
from queue_broker.core.yard import Ints, Ranking
from queue_broker.records import Group, GroupId

NO_ROOM = "no room: every lane that could hold it is busy"
CLOSED = "no room: every lane that could hold it is closed"
BEHIND_HEAD = "held back: room is kept for the head of the queue"
HEADROOM = "held back: room is kept for the first tier's expected arrivals"
RATE = "SubmitJob's rate: the calls of this moment are used up"
NODES = "no room: no lane has as many whole instances idle as it has nodes"
GANG = "no room for the whole gang on one lane"
WHOLE = "no room for the whole array on one lane, which it needs without the shim"
#: Whoever waits for these is the head, whom nobody may delay.
SHORT = (NO_ROOM, NODES, GANG, WHOLE)


class Placing:
    """The places given in one decision, and what was found out on the way."""

    def __init__(
        self,
        board: Board,
        hosts: Hosts,
        headroom: Resources,
        calls: int | None,
    ) -> None:
        self.board = board
        self.hosts = hosts
        self.ledger = hosts.ledger
        self.now_s = hosts.now_s
        self.patient = False  #: whether the tier has time for an instance's start
        self.calls = UNBOUNDED if calls is None else calls
        self.placed: dict[tuple[GroupId, str], int] = {}
        self.cold: dict[tuple[GroupId, int], int] = defaultdict(int)
        self.groups: dict[GroupId, Group] = {}
        self.blocked: list[Group] = []
        self.why = ""
        self._headroom = amount(headroom)
        self._free = board.all_free if any(self._headroom) else None
        self._dead: dict[bool, set[Ranking]] = {True: set(), False: set()}
        self._shapes: set[Ranking] = set()
        self._head: Turn | None = None
        self._first: Callable[[], Turn | None] | None = None  #: says who the head is, if asked
        self._reserved: Reservation | None = None
        self._too_long_s: dict[Ranking, float] = {}  #: run times that backfill has no room for
        self._queueing = True

    def hopeful(self, shapes: set[Ranking], *, top: bool) -> bool:
        """Whether any of a tier's shapes may still find room; that is known before anybody's turn
        is, and on a full fleet it is all there is to know. The first shape with room is enough: the
        others are looked at when their turn comes."""
        self._shapes = shapes
        for shape in sorted(shapes - self._dead[top], key=by_size):
            if self._has_room(shape, top=top):
                return True
            self._dead[top].add(shape)
            self._dead[False].add(shape)
        return False

    def _has_room(self, ranking: Ranking, *, top: bool) -> bool:
        if ranking.never:
            return False
        if not top and self._queueing and (self.board.ahead_s[ranking.order] > 0).any():
            return True
        return bool(self._room(ranking).any())

    def _room(self, ranking: Ranking) -> Ints:
        """How many more tasks go into each of its lanes, if instances are started for them too."""
        if ranking.instances:
            return self.board.apart(ranking.instances, ranking.order)
        return self.board.fits(ranking.each, ranking.order, cold=True)

    def despair(self, head: Callable[[], Turn | None]) -> None:
        """Nobody in the tier finds room: all of them wait, and `head` says who is the first."""
        if not self._headed:
            self._first = head
        self.close_tier()

    def hope(self, *, top: bool) -> bool:
        return not self._shapes <= self._dead[top]

    def close_tier(self) -> None:
        """A lower tier may not queue ahead of what a higher one has waiting."""
        if self._headed:
            self._queueing = False

    @property
    def _headed(self) -> bool:
        """Whether somebody waits whom nobody may delay."""
        return self._head is not None or self._first is not None

    def dead(self, group: Group, *, top: bool) -> bool:
        """Whether it is known of the group that it has no room, and nothing else is to be said."""
        ranking = self.board.yard.ranking(group)
        known = self._headed and ranking in self._dead[top] and ranking not in self._too_long_s
        return known and not ranking.never and not group.job.tags

    def place(self, turn: Turn, most: int, *, top: bool) -> int:
        """Give up to `most` tasks their places; `why` says what bounded it where fewer go."""
        ranking = self.board.yard.ranking(turn.group)
        self.why = ranking.never or NO_ROOM
        if ranking.never or most <= 0:
            if ranking.never:
                self._dead[True].add(ranking)
                self._dead[False].add(ranking)
            return 0
        dead = ranking in self._dead[top]
        if runtime_p95_s(turn.group) >= self._too_long_s.get(ranking, math.inf):
            dead, self.why = True, BEHIND_HEAD
        went = 0 if dead else self._fill(turn, most, ranking.order, top=top)
        if went < most:
            self._note_shortage(turn, ranking, went, top=top)
        return went

    def _fill(self, turn: Turn, most: int, places: Ints, *, top: bool) -> int:
        ranking = self.board.yard.ranking(turn.group)
        each = ranking.each
        bounded = most if top else min(most, self._beside_headroom(each, most))
        if bounded < most and self._has_room(ranking, top=top):
            self.why = HEADROOM
        if ranking.instances:
            return self._apart(turn, ranking) if bounded else 0
        if turn.gang or turn.whole:
            return self._together(turn, most, ranking) if bounded >= self._at_once(turn) else 0
        if self.board.elastic and self.hosts.looks_at(bounded):
            went = self._one_by_one(turn, bounded, ranking, patient=self.patient and not top)
        else:
            went = self._into(turn, bounded, each, places, cold=False)
        if went < bounded and self.board.elastic:
            went += self._into(turn, bounded - went, each, places, cold=True)
        # Whose turn it is may queue; once somebody waits, a smaller task may not go ahead of him.
        if went < most and not top and self._queueing and self._head is None:
            went += self._behind(turn, most - went, each, places)
        return went

    def _one_by_one(self, turn: Turn, most: int, ranking: Ranking, *, patient: bool) -> int:
        """Each to where it costs least, or starts soonest: what runs already, or a new instance."""
        each, runtime_s = ranking.each, foretold(turn.group.estimate)
        places = ranking.order[self.board.fits(each, ranking.order, cold=True) > 0]
        for went in range(most):
            for seat in self.hosts.seats(each, runtime_s, places, patient=patient):
                tasks = self._beside_head(turn, seat.place, each, 1)
                if self._seat(turn.group, seat.place, tasks):
                    self.hosts.take(seat, each, runtime_s)
                    self.board.put(each, seat.place, 1)
                    self.board.ready[seat.place] += seat.at is None
                    break
            else:
                return went
        return most

    def _into(self, turn: Turn, most: int, each: Amount, places: Ints, *, cold: bool) -> int:
        """Into free room, lane by lane in the order of their cost."""
        seats: dict[int, int] = {}
        went = 0
        for place, room in roomy(places, self.board.fits(each, places, cold=cold)):
            tasks = self._beside_head(turn, place, each, min(room, most - went))
            tasks = self._seat(turn.group, place, tasks)
            if tasks:
                seats[place] = tasks
                went += tasks
            if went == most:
                break
        self.board.put_all(each, seats)
        self.hosts.came(each, foretold(turn.group.estimate), seats)
        if cold:
            for place, tasks in seats.items():
                self.cold[turn.group.group_id, place] += tasks
        return went

    def _together(self, turn: Turn, most: int, ranking: Ranking) -> int:
        """All of them to the first lane with room for as many as are to run at once, else none."""
        each, places, needed = ranking.each, ranking.order, self._at_once(turn)
        counts = self.board.fits(each, places, cold=True)
        for i in np.flatnonzero(counts >= needed):
            place = int(places[i])
            if self._beside_head(turn, place, each, most) == most and self.calls > 0:
                self.board.put(each, place, self._seat(turn.group, place, most))
                self.hosts.came(each, foretold(turn.group.estimate), {place: most})
                return most
        self.why = GANG if turn.gang else WHOLE
        return 0

    def _apart(self, turn: Turn, ranking: Ranking) -> int:
        """A job of several nodes to the first lane with an idle instance for each, else nowhere."""
        for place, _ in roomy(ranking.order, self._room(ranking)):
            if self._beside_head(turn, place, ranking.each, 1) and self._seat(turn.group, place, 1):
                one = Amount(*map(int, self.board.yard.one[place]))
                self.board.put(one, place, ranking.instances)
                taken = {place: ranking.instances}
                self.hosts.came(one, foretold(turn.group.estimate), taken)
                return 1
        self.why = NODES if self.why == NO_ROOM else self.why
        return 0

    def _at_once(self, turn: Turn) -> int:
        """How many of a turn's tasks have to find room together. Of an array that goes whole, no
        more than a lane could ever hold: the others wait behind them, in Batch."""
        ranking, yard = self.board.yard.ranking(turn.group), self.board.yard
        if turn.gang:
            return turn.tasks
        ever = (yard.holds(ranking.each) * yard.instances)[ranking.order]
        return min(turn.tasks, int(ever.max(initial=0))) if turn.whole else 1

    def _behind(self, turn: Turn, most: int, each: Amount, places: Ints) -> int:
        """Behind others, in full lanes that keep a queue, as far as their windows allow."""
        waiting = places[self.board.ahead_s[places] > 0]
        if not len(waiting):
            return 0
        runtime_s = self.ledger.runtime_s(turn.group.group_id, turn.group.estimate)
        full = waiting[self.board.fits(each, waiting, cold=True) == 0]
        full = full[np.argsort(-self.board.ahead_s[full], kind="stable")]
        seats: dict[int, int] = {}
        went = 0
        for place, room in roomy(full, self.board.ahead(each, full, runtime_s)):
            tasks = self._seat(turn.group, place, min(most - went, room))
            if tasks:
                seats[place] = tasks
                went += tasks
            if went == most:
                break
        self.board.queue_all(each, seats, runtime_s)
        return went

    def _seat(self, group: Group, place: int, tasks: int) -> int:
        """Note tasks in a lane; a new pair of group and lane costs a call."""
        if tasks <= 0:
            return 0
        seat = (group.group_id, self.board.yard.lanes[place].name)
        if seat not in self.placed:
            if self.calls <= 0:
                self.why = RATE
                return 0
            self.calls -= 1
            self.placed[seat] = 0
        self.placed[seat] += tasks
        self.groups[group.group_id] = group
        if self._free is not None:
            self._free = self._free.plus(self.board.yard.ranking(group).each, -tasks)
        return tasks

    def _beside_headroom(self, each: Amount, most: int) -> int:
        """Tasks that leave the headroom free."""
        if self._free is None:
            return most
        return each.times_into(self._free.plus(self._headroom, -1), most)

    def _beside_head(self, turn: Turn, place: int, each: Amount, tasks: int) -> int:
        """Backfill never delays the head: in the lane kept for it go tasks that end in time, or
        that use what it leaves over."""
        if self._head is None and self._first is not None:
            self._head = self._first()
        if self._head is None or tasks <= 0:
            return tasks
        if self._reserved is None:
            self._reserved = self._reserve(self._head)
        kept = self._reserved
        if kept.place != place or runtime_p95_s(turn.group) <= kept.in_s:
            return tasks
        tasks = min(tasks, kept.spare.holds(each))
        if not tasks:
            self.why = BEHIND_HEAD
        kept.spare.seat(each, tasks)
        return tasks

    def _reserve(self, head: Turn) -> Reservation:
        ranking = self.board.yard.ranking(head.group)
        units = ranking.units * self._at_once(head)
        return reserve(ranking.unit, units, ranking.order, self.board, self.ledger, self.now_s)

    def _note_shortage(self, turn: Turn, ranking: Ranking, went: int, *, top: bool) -> None:
        """Remember that such tasks find no room any more, and who was the first without any."""
        if self.why == RATE:
            self._dead[top] |= self._shapes
            return
        if top and not turn.debt:
            self.blocked.append(turn.group)
        if not self._headed and self.why in SHORT:
            self._head = turn._replace(tasks=turn.tasks - went)
        if self.why in (NO_ROOM, NODES):
            self._dead[top].add(ranking)
            self._dead[False].add(ranking)
        elif self.why == BEHIND_HEAD and not went:
            self._too_long_s[ranking] = runtime_p95_s(turn.group)
        elif self.why == HEADROOM:
            self._dead[False].add(ranking)

    def repack(self) -> None:
        """Give what needs new instances to the packer as a whole, and take its lanes if cheaper."""
        if self.cold:
            calls = self.calls + len(self.cold)
            repack(Cold(self.board, self.groups, self.cold, self.placed, calls))


def roomy(places: Ints, counts: Ints) -> Iterator[tuple[int, int]]:
    """Those places that have room, and how much, in their order."""
    at = np.flatnonzero(counts)
    return zip(places[at].tolist(), counts[at].tolist(), strict=True)


def by_size(ranking: Ranking) -> tuple[Amount, bytes]:
    """An order that is the same in every process."""
    return ranking.priced, ranking.order.tobytes()


def runtime_p95_s(group: Group) -> float:
    return group.estimate.runtime_s.p95 if group.estimate else float("inf")
