"""What is held now, by lane, tenant and job; kept up from pass to pass by what changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from headgate.resources import Resources
from queue_broker.core.amounts import NOTHING, Amount, priced
from queue_broker.records import JobId, Lane, Leak

#: A task of which nothing was foretold is taken to run so long.
UNKNOWN_RUNTIME_S = 60.0
#: Sweeps whose run times are remembered; beyond, only those in flight.
MOST_MEASURED = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """What one leak was counted as."""

    leak: Leak
    each: Amount
    open: int
    running: int
    runtime_s: float

    @property
    def starting(self) -> int:
        return self.open - self.running


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
        self._count_alike(entry.each.bare, sign * entry.open)
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
            self._count_alike(new.each.bare, tasks)
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
    """The sums over all open leaks. `sync` costs what changed, and a glance at the rest."""

    lanes: dict[str, LaneUse] = field(default_factory=dict)
    tenants: dict[tuple[str, str], Held] = field(default_factory=dict)  #: by (tier, tenant)
    jobs: dict[JobId, int] = field(default_factory=dict)  #: tasks in flight
    measured_s: dict[JobId, float] = field(default_factory=dict)  #: run times of sweeps, lately
    shapes: dict[str, tuple[Resources, float]] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def of(cls, leaks: Sequence[Leak], lanes: Iterable[Lane]) -> Ledger:
        ledger = cls()
        ledger.sync(leaks, lanes)
        return ledger

    def sync(self, leaks: Sequence[Leak], lanes: Iterable[Lane]) -> None:
        """Bring the sums up to these leaks, which are all that are open."""
        self.shapes = {lane.name: (lane.shape, lane.price_usd_hour) for lane in lanes}
        entries = self.entries
        for leak in leaks:
            old = entries.get(leak.name)
            if old is None or old.leak is not leak:
                self._change(old, leak)
        if len(entries) > len(leaks):
            there = {leak.name for leak in leaks}
            for name in [name for name in entries if name not in there]:
                self._apply(entries.pop(name), -1)

    def _change(self, old: Entry | None, leak: Leak) -> None:
        shape, price = self.shapes.get(leak.lane, (leak.allocation, 0.0))
        each = old.each if old else priced(leak.allocation, shape, price)
        runtime_s = self.measured_s.get(leak.job_id) or foretold_s(leak)
        entry = Entry(leak, each, len(leak.open), len(leak.running), runtime_s)
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
        """A task of a sweep took so long: its siblings are worth more than what was foretold before
        any of them had run."""
        if leak.array:
            known = self.measured_s.get(leak.job_id, runtime_s)
            self.measured_s[leak.job_id] = known + (runtime_s - known) / 32
            if len(self.measured_s) > MOST_MEASURED:
                open_ = self.jobs
                self.measured_s = {job: s for job, s in self.measured_s.items() if job in open_}

    def in_lane(self, lane: str) -> Iterable[Entry]:
        use = self.lanes.get(lane)
        return use.entries.values() if use else ()


def foretold_s(leak: Leak) -> float:
    return leak.estimate.runtime_s.p50 if leak.estimate else UNKNOWN_RUNTIME_S


def remaining_s(leak: Leak, now_s: float) -> float:
    """Predicted seconds until a leak's tasks end; past a quantile, the next one counts."""
    elapsed = now_s - leak.created_at_s
    if leak.estimate is None:
        return max(UNKNOWN_RUNTIME_S - elapsed, elapsed)
    for quantile in (leak.estimate.runtime_s.p50, leak.estimate.runtime_s.p95):
        if elapsed < quantile:
            return quantile - elapsed
    return max(1.0, elapsed / 2)


def tier_shares(ledger: Ledger, total: Amount) -> Mapping[str, float]:
    """Each tier's dominant share of the fleet."""
    held: dict[str, Amount] = {}
    for (tier, _), one in ledger.tenants.items():
        held[tier] = held.get(tier, Amount()).plus(one.amount)
    return {tier: sum_.bare.share(total) for tier, sum_ in held.items()}
