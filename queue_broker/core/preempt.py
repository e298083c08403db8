"""Which running tasks are stopped so that the first tier keeps its promise. Pure.

Only when a task of the first tier would miss its promise, only tasks of preemptible tiers, the
cheapest to lose first (work done x price; what has not started is lost for nothing, and what writes
checkpoints for little), and never more than needed. They are requeued with no attempt lost.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from headgate.tenancy import Tier
from queue_broker.core.amounts import NOTHING, Amount, amount
from queue_broker.core.capacity import NO_BLOCKS, Blocks
from queue_broker.core.hints import hints_of
from queue_broker.core.ledger import Entry, Ledger
from queue_broker.core.whole import goes_whole
from queue_broker.core.yard import Ranking, Yard
from queue_broker.events import Started
from queue_broker.records import Group, GroupId, Intent, Leak, Tasks

#: A task that writes checkpoints loses so much of its work.
CHECKPOINT_LOSS = 0.1
#: Of one pass; the next sees what is still short.
MOST_STOPPED = 500
TAKEN_BACK = "taken back before it had started, to make room in its lane; no attempt was lost"
REASON = "stopped to let a task of a higher tier keep its promise; no attempt was lost"


@dataclass(frozen=True, slots=True)
class Victim:
    """A task that could be stopped, and what that would lose."""

    loss: float
    leak: str
    task: int
    frees: Amount


@dataclass(slots=True)
class Runs:
    """When the tasks of preemptible tiers started, which of them are being stopped, and on which
    instance each task is, as far as engines say; of those that have ended too, until their leak is
    over.
    """

    started_s: dict[str, dict[int, float]] = field(default_factory=dict)
    stopping: dict[str, Tasks] = field(default_factory=dict)
    instances: dict[str, dict[int, str]] = field(default_factory=dict)

    def learn(self, starts: Sequence[Started], leaks: Mapping[str, Leak], tiers: set[str]) -> None:
        for start in starts:
            leak = leaks.get(start.leak)
            if leak is None:
                continue
            if start.instance:
                self.instances.setdefault(start.leak, {})[start.task] = start.instance
            if leak.tier in tiers:
                self.started_s.setdefault(start.leak, {})[start.task] = start.at_s

    def forget(self, gone: Iterable[str]) -> None:
        """Drop leaks that have ended."""
        for name in gone:
            self.started_s.pop(name, None)
            self.stopping.pop(name, None)
            self.instances.pop(name, None)

    def elapsed_s(self, leak: Leak, task: int, now_s: float) -> float:
        """How long a running task has run; after a restart of the broker, at most since its
        leak."""
        return now_s - self.started_s.get(leak.name, {}).get(task, leak.created_at_s)


@dataclass(frozen=True)
class Scene:
    """What a choice of victims looks at. `intents` is what the decision leaks, which the ledger
    does not know of yet; tasks of `spared` tiers are not stopped.
    """

    yard: Yard
    ledger: Ledger
    runs: Runs
    tiers: Sequence[Tier]
    now_s: float
    intents: Sequence[Intent] = ()
    spared: Collection[str] = ()
    #: By lane, to start with room there.
    delays_s: Mapping[str, float] = field(default_factory=dict)
    blocks: Blocks = NO_BLOCKS

    @cached_property
    def preemptible(self) -> set[str]:
        return {tier.name for tier in self.tiers if tier.preemptible}.difference(self.spared)

    @cached_property
    def taken(self) -> Mapping[str, Amount]:
        """By lane, what goes there now."""
        taken: dict[str, Amount] = defaultdict(Amount)
        for intent in self.intents:
            each = amount(intent.allocation)
            taken[intent.lane] = taken[intent.lane].plus(each, len(intent.tasks))
        return taken

    def left_of(self, group: Group) -> int:
        """Tasks of the group that do not go now."""
        return len(group.waiting) - self.went[group.group_id]

    @cached_property
    def went(self) -> Counter[GroupId]:
        """By group, how many of its tasks go now."""
        went = Counter[GroupId]()
        for intent in self.intents:
            went[intent.group_id] += len(intent.tasks)
        return went


def choose(blocked: Sequence[Group], promise_s: float, scene: Scene) -> dict[str, Tasks]:
    """Tasks to stop, by leak, for the groups that found no room, which are in order."""
    stopped: dict[str, Tasks] = defaultdict(Tasks)
    if scene.preemptible.isdisjoint(tier for tier, _ in scene.ledger.tenants):
        return {}
    lanes = {place: Lane(place, scene, promise_s) for place in range(len(scene.yard.lanes))}
    spent: set[Ranking] = set()  #: shapes for which nobody could be stopped any more
    left = MOST_STOPPED
    for group in blocked:
        ranking = scene.yard.ranking(group)
        places = [at for at in ranking.order.tolist() if not scene.blocks.refuses(ranking.each, at)]
        suitable = [lanes[place] for place in places]
        waited_s = scene.now_s - group.queued_at_s
        short = in_want(scene.left_of(group), ranking.each, suitable, promise_s - waited_s)
        if not short or ranking in spent:
            continue
        going = Going(suitable, ranking.each)
        while short and left > 0 and (victims := going.next()) is not None:
            for victim in victims:
                stopped[victim.leak].add(victim.task)
            left -= len(victims)
            short -= 1
        if left <= 0:
            break
        if short:
            spent.add(ranking)
    return dict(stopped)


def by_leak(victims: Iterable[Victim]) -> dict[str, Tasks]:
    found: dict[str, Tasks] = defaultdict(Tasks)
    for victim in victims:
        found[victim.leak].add(victim.task)
    return dict(found)


def in_want(short: int, each: Amount, lanes: Sequence[Lane], within_s: float) -> int:
    """Of so many tasks those that find no room in time by themselves; the room of the others is
    taken."""
    for lane in lanes:
        if not short:
            break
        short -= lane.promise(each, short, within_s)
    return short


class Going:
    """Who would go for one more task of a shape after the other, where that costs least."""

    def __init__(self, rooms: Sequence[Room], each: Amount) -> None:
        self.each = each
        self.offers = [offer for room in rooms if (offer := self.offer(room)) is not None]
        heapq.heapify(self.offers)

    def offer(self, room: Room) -> tuple[float, int, Room, tuple[Victim, ...]] | None:
        victims = room.offer(self.each)
        if victims is None:
            return None
        return sum(victim.loss for victim in victims), room.place, room, victims

    def next(self) -> tuple[Victim, ...] | None:
        """They are taken out of their room, which alone makes another offer then."""
        if not self.offers:
            return None
        *_, room, victims = self.offers[0]
        room.accept(self.each, victims)
        again = self.offer(room)
        if again is None:
            heapq.heappop(self.offers)
        else:
            heapq.heapreplace(self.offers, again)
        return victims


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
        free = Amount().plus(one_of(scene.yard, place), int(scene.yard.instances[place]))
        free = free.plus(use.amount.bare if use else Amount(), -1)
        free = free.plus(scene.taken.get(name, Amount()), -1)
        for entry in self.entries:
            stopping = scene.runs.stopping.get(entry.leak.name)
            if stopping:
                free = free.plus(entry.bare, len(stopping & entry.leak.open))
        entries = self.entries
        super().__init__(place, free, lambda: victims_of(entries, place, scene))
        self._ends: list[tuple[float, Entry]] | None = None

    def promise(self, each: Amount, most: int, within_s: float) -> int:
        """Tasks that will find room in time by themselves, and start; their room is taken."""
        free = self.free
        for end_s, entry in self.ends():
            if end_s + self.delay_s > within_s:
                break
            free = free.plus(entry.bare, entry.open)
        # A lane that holds more than it has room for keeps a queue: the task would wait behind it.
        count = each.times_into(free, most) if NOTHING.within(free) else 0
        self.free = self.free.plus(each, -count)
        return count

    def ends(self) -> list[tuple[float, Entry]]:
        if self._ends is None:
            left_s, now_s = self.scene.ledger.remaining_s, self.scene.now_s
            ends = [(left_s(entry.leak, now_s), entry) for entry in self.entries]
            self._ends = sorted(ends, key=lambda end: (end[0], end[1].leak.leak_id))
        return self._ends


def victims_of(entries: Iterable[Entry], place: int, scene: Scene) -> Iterator[Victim]:
    """Who of a lane's tasks could be stopped."""
    for entry in entries:
        leak = entry.leak
        if leak.tier not in scene.preemptible:
            continue
        kept = CHECKPOINT_LOSS if leak.job.tags and hints_of(leak.job).checkpoints else 1.0
        worth = kept * (entry.each.nusd or entry.each.share(scene.yard.fleet))
        for task in could_go_again(leak, place, scene):
            done_s = scene.runs.elapsed_s(leak, task, scene.now_s) if task in leak.running else 0.0
            yield Victim(worth * done_s, leak.name, task, entry.bare)


def could_go_again(leak: Leak, place: int, scene: Scene) -> Tasks:
    """The tasks of a leak that nobody stops yet. Of an array that goes whole none: a child could
    not go again alone.
    """
    if scene.yard.lanes[place].index_by_shim and goes_whole(leak):
        return Tasks()
    return leak.open - scene.runs.stopping.get(leak.name, Tasks()) - leak.cancelling


def one_of(yard: Yard, place: int) -> Amount:
    return Amount(*map(int, yard.one[place]))
