"""What is held now, by lane, tenant and job; kept up from pass to pass by what changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from headgate.estimate import Estimate, Quantiles
from headgate.resources import Resources
from queue_broker.core.amounts import NOTHING, Amount, priced
from queue_broker.records import Changes, GroupId, JobId, Lane, Leak

#: A task of which nothing was foretold is taken to run so long.
UNKNOWN = Quantiles(60.0, 120.0)
#: Groups whose run times are remembered; beyond, only those in flight.
MOST_MEASURED = 10_000
#: So many ends say more of the rest than what was foretold before any had run.
ENOUGH_MEASURED = 8
#: The latest so many run times make the mean.
MEAN_OF = 32


class Entry(NamedTuple):
    """What one leak was counted as. (A tuple: it is made anew for each change of a leak.)"""

    leak: Leak
    each: Amount
    bare: Amount
    open: int
    running: int
    runtime_s: float

    @property
    def starting(self) -> int:
        return self.open - self.running


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
    starting: int = 0
    starting_s: float = 0.0
    alike: dict[Amount, int] = field(default_factory=dict)  #: tasks by what they hold
    entries: dict[str, Entry] = field(default_factory=dict)

    def apply(self, entry: Entry, sign: int) -> None:
        self.amount = self.amount.plus(entry.each, sign * entry.open)
        self._count_alike(entry.bare, sign * entry.open)
        self.starting += sign * entry.starting
        self.starting_s += sign * entry.starting * entry.runtime_s
        if sign > 0:
            self.entries[entry.leak.name] = entry
        else:
            del self.entries[entry.leak.name]

    def shift(self, old: Entry, new: Entry) -> None:
        tasks = new.open - old.open
        if tasks:
            self.amount = self.amount.plus(new.each, tasks)
            self._count_alike(new.bare, tasks)
        self.starting += new.starting - old.starting
        self.starting_s += new.starting * new.runtime_s - old.starting * old.runtime_s
        self.entries[new.leak.name] = new

    def _count_alike(self, each: Amount, tasks: int) -> None:
        left = self.alike.get(each, 0) + tasks
        if left:
            self.alike[each] = left
        else:
            self.alike.pop(each, None)


@dataclass(slots=True)
class Ledger:
    """The sums over all open leaks; `renew` costs what changed."""

    lanes: dict[str, LaneUse] = field(default_factory=dict)
    tenants: dict[tuple[str, str], Held] = field(default_factory=dict)  #: by (tier, tenant)
    jobs: dict[JobId, int] = field(default_factory=dict)  #: tasks in flight
    measured: dict[GroupId, Measured] = field(default_factory=dict)
    shapes: dict[str, tuple[Resources, float]] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def of(cls, leaks: Sequence[Leak], lanes: Iterable[Lane]) -> Ledger:
        ledger = cls()
        ledger.sync(leaks, lanes)
        return ledger

    def sync(self, leaks: Sequence[Leak], lanes: Iterable[Lane]) -> None:
        """Bring the sums up to these leaks, which are all that are open."""
        there = {leak.name for leak in leaks}
        gone = [name for name in self.entries if name not in there]
        self.renew(Changes(leaks, gone), lanes)

    def renew(self, changes: Changes, lanes: Iterable[Lane]) -> None:
        """Bring the sums up to what changed since the last time."""
        self.shapes = {lane.name: (lane.shape, lane.price_usd_hour) for lane in lanes}
        for leak in changes.leaks:
            old = self.entries.get(leak.name)
            if old is None or old.leak is not leak:
                self._change(old, leak)
        for name in changes.gone:
            entry = self.entries.pop(name, None)
            if entry is not None:
                self._apply(entry, -1)

    def _change(self, old: Entry | None, leak: Leak) -> None:
        shape, price = self.shapes.get(leak.lane, (leak.allocation, 0.0))
        each = old.each if old else priced(leak.allocation, shape, price)
        runtime_s = self.runtime_s(leak.group_id, leak.estimate)
        bare = old.bare if old else each.bare
        entry = Entry(leak, each, bare, len(leak.open), len(leak.running), runtime_s)
        self.entries[leak.name] = entry
        if old and (old.leak.tier, old.leak.tenant) == (leak.tier, leak.tenant):
            self._shift(old, entry)
            return
        if old:  # somebody moved the job
            self._apply(old, -1)
        self._apply(entry, +1)

    def _shift(self, old: Entry, new: Entry) -> None:
        """The same leak, some of whose tasks have started or ended."""
        leak, tasks = new.leak, new.open - old.open
        self.lanes[leak.lane].shift(old, new)
        if tasks:
            self._hold(leak, new.each, tasks)

    def _apply(self, entry: Entry, sign: int) -> None:
        leak = entry.leak
        tasks = sign * entry.open
        lane = self.lanes.get(leak.lane)
        if lane is None:
            lane = self.lanes[leak.lane] = LaneUse()
        lane.apply(entry, sign)
        self._hold(leak, entry.each, tasks)

    def _hold(self, leak: Leak, each: Amount, tasks: int) -> None:
        whose = (leak.tier, leak.tenant)
        held = self.tenants.get(whose)
        if held is None:
            held = self.tenants[whose] = Held()
        held.add(each, tasks)
        if not held.tasks:
            del self.tenants[whose]
        left = self.jobs.get(leak.job_id, 0) + tasks
        if left:
            self.jobs[leak.job_id] = left
        else:
            self.jobs.pop(leak.job_id, None)

    def measure(self, leak: Leak, runtime_s: float) -> None:
        """A task of a sweep took so long."""
        if leak.array:
            self.measured.setdefault(leak.group_id, Measured()).add(runtime_s)
            if len(self.measured) > MOST_MEASURED:
                open_ = {entry.leak.group_id for entry in self.entries.values()}
                self.measured = {at: one for at, one in self.measured.items() if at in open_}

    def runtime_s(self, group_id: GroupId, estimate: Estimate | None) -> float:
        """What a task of the group takes: as measured, else as foretold."""
        known = self.measured.get(group_id)
        if known is not None and known.count >= ENOUGH_MEASURED:
            return known.mean_s
        return (estimate.runtime_s if estimate else UNKNOWN).p50

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


def remaining_s(leak: Leak, now_s: float) -> float:
    """As foretold before the leak: past a quantile, the next one counts."""
    runtime_s = leak.estimate.runtime_s if leak.estimate else UNKNOWN
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
