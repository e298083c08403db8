"""What a choice of whom to stop looks at: who runs where, what each would lose, and the room that
is or comes free. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from headgate.tenancy import Tier
from queue_broker.core.amounts import Amount, amount
from queue_broker.core.capacity import NO_BLOCKS, Blocks
from queue_broker.core.hints import hints_of
from queue_broker.core.ledger import Entry, Ledger
from queue_broker.core.whole import goes_whole
from queue_broker.core.yard import Yard
from queue_broker.events import Started
from queue_broker.records import Group, GroupId, Intent, Lane, Leak, Tasks

#: A task that writes checkpoints loses so much of its work.
CHECKPOINT_LOSS = 0.1
NOBODY = Tasks()


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

    def instance(self, leak: str, task: int) -> str:
        return self.instances.get(leak, {}).get(task, "")

    def being_stopped(self, leak: Leak) -> Tasks:
        """Tasks that are on their way out already, also because somebody cancelled them."""
        stopping = self.stopping.get(leak.name)
        if stopping is None:
            return leak.cancelling & leak.open if leak.cancelling else NOBODY
        return (stopping | leak.cancelling) & leak.open

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


def one_of(yard: Yard, place: int) -> Amount:
    return Amount(*map(int, yard.one[place]))
