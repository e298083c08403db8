"""What is held now, by lane, tenant and job; kept up from pass to pass by what changed. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from headgate.estimate import Estimate, Quantiles
from queue_broker.core.amounts import NOTHING, Amount, priced
from queue_broker.core.consumables import needs_of
from queue_broker.core.yard import the_same, whole
from queue_broker.nodes import nodes_of
from queue_broker.records import Changes, GroupId, JobId, Lane, Leak

#: A task of which nothing was foretold is taken to run so long.
UNKNOWN = Quantiles(60.0, 120.0)
#: Groups whose run times are remembered; beyond, only those in flight.
MOST_MEASURED = 10_000
#: So many ends say more of the rest than what was foretold before any had run.
ENOUGH_MEASURED = 8
#: The latest so many run times make the mean.
MEAN_OF = 32


#: Tasks more or fewer, by tier, tenant, job, and what each of them holds.
Sums = dict[tuple[str, str, JobId, Amount], int]


class Entry(NamedTuple):
    """What one leak was counted as. (A tuple: it is made anew for each change of a leak.)"""

    leak: Leak
    each: Amount
    bare: Amount
    open: int
    running: int
    runtime_s: float


@dataclass(slots=True)
class Measured:
    """How long tasks of one group really took, in the mean of the latest."""

    mean_s: float = 0.0
    count: int = 0

    def add(self, runtime_s: float) -> None:
        self.count += 1
        self.mean_s += (runtime_s - self.mean_s) / min(self.count, MEAN_OF)


@dataclass(slots=True)
class Held:
    """What somebody holds: the sum, and the tasks in flight."""

    amount: Amount = NOTHING
    tasks: int = 0

    def add(self, each: Amount, tasks: int) -> None:
        self.amount = self.amount.plus(each, tasks)
        self.tasks += tasks


@dataclass(slots=True)
class LaneUse:
    """What a lane holds. `starting_s` sums the predicted run times of what has not started yet."""

    amount: Amount = NOTHING
    ran: Amount = NOTHING  #: what those of its tasks hold that have started
    starting: int = 0
    starting_s: float = 0.0
    alike: dict[Amount, int] = field(default_factory=dict)  #: tasks by what they hold
    entries: dict[str, Entry] = field(default_factory=dict)

    def shift(self, old: Entry, new: Entry) -> None:
        """The same leak, some of whose tasks were added, have started, or have ended."""
        tasks, starting = new.open - old.open, new.open - new.running
        started = old.open - old.running
        if tasks:
            self.amount = self.amount.plus(new.each, tasks)
            left = self.alike.get(new.bare, 0) + tasks
            if left:
                self.alike[new.bare] = left
            else:
                del self.alike[new.bare]
        if new.running != old.running:
            self.ran = self.ran.plus(new.bare, new.running - old.running)
        self.starting += starting - started
        self.starting_s += starting * new.runtime_s - started * old.runtime_s
        if new.open:
            self.entries[new.leak.name] = new
        else:
            self.entries.pop(new.leak.name, None)


@dataclass(slots=True)
class Ledger:
    """The sums over all open leaks; `renew` costs what changed."""

    lanes: dict[str, LaneUse] = field(default_factory=dict)
    tenants: dict[tuple[str, str], Held] = field(default_factory=dict)  #: by (tier, tenant)
    jobs: dict[JobId, int] = field(default_factory=dict)  #: tasks in flight
    #: By consumable resource, what tasks in flight hold, and those of them that have started.
    consumed: Counter[str] = field(default_factory=Counter)
    consuming: Counter[str] = field(default_factory=Counter)
    measured: dict[GroupId, Measured] = field(default_factory=dict)
    lanes_now: dict[str, Lane] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    cancelling: set[str] = field(default_factory=set)  #: leaks of which tasks are being cancelled
    _seen: Sequence[Lane] = ()

    @classmethod
    def of(cls, leaks: Sequence[Leak], lanes: Sequence[Lane]) -> Ledger:
        ledger = cls()
        ledger.renew(Changes(leaks, ()), lanes)
        return ledger

    def renew(self, changes: Changes, lanes: Sequence[Lane]) -> None:
        """Bring the sums up to what changed since the last time."""
        self._look_at(lanes)
        sums: Sums = defaultdict(int)
        for leak in changes.leaks:
            old = self.entries.get(leak.name) or self._nothing(leak)
            took_s = self.runtime_s(leak.group_id, leak.estimate)
            new = Entry(leak, old.each, old.bare, len(leak.open), len(leak.running), took_s)
            self.entries[leak.name] = new
            if leak.cancelling:
                self.cancelling.add(leak.name)
            self._shift(old, new, sums)
        for name in changes.gone:
            last = self.entries.pop(name, None)
            self.cancelling.discard(name)
            if last is not None:
                self._shift(last, Entry(last.leak, last.each, last.bare, 0, 0, 0.0), sums)
        self._hold(sums)

    def _look_at(self, lanes: Sequence[Lane]) -> None:
        if not the_same(lanes, self._seen):
            self.lanes_now = {lane.name: lane for lane in lanes}
            self._seen = lanes

    def _nothing(self, leak: Leak) -> Entry:
        """The leak before any of its tasks is counted."""
        each = held_in(leak, self.lanes_now.get(leak.lane))
        return Entry(leak, each, each.bare, 0, 0, 0.0)

    def _shift(self, old: Entry, new: Entry, sums: Sums) -> None:
        leak, before = new.leak, old.leak
        lane = self.lanes.get(leak.lane)
        if lane is None:
            lane = self.lanes[leak.lane] = LaneUse()
        lane.shift(old, new)
        for name, quantity in needs_of(leak).items():
            self.consumed[name] += quantity * (new.open - old.open)
            self.consuming[name] += quantity * (new.running - old.running)
        if new.open != old.open or (leak.tier, leak.tenant) != (before.tier, before.tenant):
            if new.open:
                sums[leak.tier, leak.tenant, leak.job_id, new.each] += new.open
            if old.open:
                sums[before.tier, before.tenant, leak.job_id, old.each] -= old.open

    def _hold(self, sums: Sums) -> None:
        """What tenants and jobs have more or fewer of: at once, since they are few."""
        for (tier, tenant, job_id, each), tasks in sums.items():
            held = self.tenants.setdefault((tier, tenant), Held())
            held.add(each, tasks)
            if not held.tasks:
                del self.tenants[tier, tenant]
            left = self.jobs.get(job_id, 0) + tasks
            if left:
                self.jobs[job_id] = left
            else:
                self.jobs.pop(job_id, None)

    def measure(self, leak: Leak, runtime_s: float) -> None:
        """A task of a sweep took so long."""
        if leak.array:
            known = self.measured.get(leak.group_id)
            if known is None:
                known = self.measured[leak.group_id] = Measured()
            known.add(runtime_s)
            if len(self.measured) > MOST_MEASURED:
                open_ = {entry.leak.group_id for entry in self.entries.values()}
                self.measured = {at: one for at, one in self.measured.items() if at in open_}

    def runtime_s(self, group_id: GroupId, estimate: Estimate | None) -> float:
        """What a task of the group takes: as measured, else as foretold."""
        known = self.measured.get(group_id)
        if known is not None and known.count >= ENOUGH_MEASURED:
            return known.mean_s
        return foretold(estimate).p50

    def remaining_s(self, leak: Leak, now_s: float) -> float:
        """Predicted seconds until a leak's tasks end. Kin that have ended say it, once they are as
        many as still run here: of many that began together, the first to end are the short ones."""
        known = self.measured.get(leak.group_id)
        if known is None or known.count < max(ENOUGH_MEASURED, len(leak.running)):
            return remaining_s(leak, now_s)
        return left_of((known.mean_s,), now_s - leak.created_at_s)

    def in_lane(self, lane: str) -> Iterable[Entry]:
        use = self.lanes.get(lane)
        return use.entries.values() if use else ()


def held_in(leak: Leak, lane: Lane | None) -> Amount:
    """What one of its tasks holds in its lane: its part of an instance, or whole ones."""
    if lane is None:
        return priced(leak.allocation, leak.allocation, 0.0)
    nodes = nodes_of(leak) if lane.apart else None
    if nodes is not None:
        return whole(lane, nodes.count)
    return priced(leak.allocation, lane.shape, lane.price_usd_hour)


def foretold(estimate: Estimate | None) -> Quantiles:
    return estimate.runtime_s if estimate else UNKNOWN


def remaining_s(leak: Leak, now_s: float) -> float:
    """As foretold before the leak: past a quantile, the next one counts."""
    runtime_s = foretold(leak.estimate)
    return left_of((runtime_s.p50, runtime_s.p95), now_s - leak.created_at_s)


def left_of(steps_s: Sequence[float], elapsed_s: float) -> float:
    """To the next step; what is past them all is taken to be two thirds done."""
    return next((step - elapsed_s for step in steps_s if elapsed_s < step), max(1.0, elapsed_s / 2))


def tier_shares(ledger: Ledger, total: Amount) -> Mapping[str, float]:
    """Each tier's dominant share of the fleet."""
    held: dict[str, Amount] = {}
    for (tier, _), one in ledger.tenants.items():
        held[tier] = held.get(tier, Amount()).plus(one.amount)
    return {tier: sum_.bare.share(total) for tier, sum_ in held.items()}
