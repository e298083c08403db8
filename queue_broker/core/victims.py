"""What a choice of whom to stop looks at: who runs where, what each would lose, and the room that
is or comes free. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from headgate.tenancy import Tier
from queue_broker.core.amounts import Amount, amount
from queue_broker.core.hints import hints_of
from queue_broker.core.ledger import Entry, Ledger
from queue_broker.core.runs import Runs
from queue_broker.core.whole import goes_whole
from queue_broker.core.yard import Yard
from queue_broker.records import Group, GroupId, Intent, Lane, Leak, Tasks

#: A task that writes checkpoints loses so much of its work.
CHECKPOINT_LOSS = 0.1


@dataclass(frozen=True, slots=True)
class Victim:
    """A task that could be stopped, and what that would lose."""

    loss: float
    leak: str
    task: int
    frees: Amount

    @property
    def key(self) -> tuple[str, int]:
        return self.leak, self.task


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
    #: The yard's lanes as they are now: what is closed, and how many have ended there untold.
    lanes: Sequence[Lane] = ()

    @cached_property
    def preemptible(self) -> set[str]:
        return {tier.name for tier in self.tiers if tier.preemptible}.difference(self.spared)

    @cached_property
    def taken(self) -> Mapping[str, Counter[Amount]]:
        """By lane, what goes there now."""
        taken: dict[str, Counter[Amount]] = defaultdict(Counter)
        for intent in self.intents:
            taken[intent.lane][amount(intent.allocation)] += len(intent.tasks)
        return taken

    @cached_property
    def leaving(self) -> Mapping[str, Counter[Amount]]:
        """By lane, what is being stopped there: its room comes free."""
        leaving: dict[str, Counter[Amount]] = defaultdict(Counter)
        for name in self.runs.stopping.keys() | self.ledger.cancelling:
            entry = self.ledger.entries.get(name)
            if entry is not None:
                tasks = len(self.runs.being_stopped(entry.leak))
                leaving[entry.leak.lane][entry.bare] += tasks
        return leaving

    @cached_property
    def by_price(self) -> bool:
        """Whether work is weighed by its price: where some lane has none, by its size."""
        return all(lane.price_usd_hour > 0 for lane in self.yard.lanes)

    def worth(self, each: Amount) -> float:
        """What a second of a task is worth."""
        return each.nusd if self.by_price else each.bare.share(self.yard.fleet)

    def lane(self, place: int) -> Lane:
        """As it is now."""
        return (self.lanes or self.yard.lanes)[place]

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


def by_leak(victims: Iterable[Victim]) -> dict[str, Tasks]:
    found: dict[str, Tasks] = defaultdict(Tasks)
    for victim in victims:
        found[victim.leak].add(victim.task)
    return dict(found)


def victims_of(entries: Iterable[Entry], place: int, scene: Scene) -> Iterator[Victim]:
    """Who of a lane's tasks could be stopped. One that runs loses what it did, and has to start."""
    start_s = scene.delays_s.get(scene.yard.lanes[place].name, 0.0)
    for entry in entries:
        leak = entry.leak
        if leak.tier not in scene.preemptible:
            continue
        kept = CHECKPOINT_LOSS if leak.job.tags and hints_of(leak.job).checkpoints else 1.0
        worth = scene.worth(entry.each)
        for task in could_go_again(leak, place, scene):
            loss = 0.0
            if task in leak.running:
                loss = kept * scene.runs.elapsed_s(leak, task, scene.now_s) + start_s
            yield Victim(worth * loss, leak.name, task, entry.bare)


def could_go_again(leak: Leak, place: int, scene: Scene) -> Tasks:
    """The tasks of a leak that nobody stops yet. Of an array that goes whole none: a child could
    not go again alone.
    """
    if scene.yard.lanes[place].index_by_shim and goes_whole(leak):
        return Tasks()
    return leak.open - scene.runs.being_stopped(leak)
