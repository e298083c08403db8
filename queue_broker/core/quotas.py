"""How many tasks a tenant or a sweep may still start: quotas with borrowing, caps, rates. Pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from headgate.tenancy import Tenant
from queue_broker.core.amounts import UNBOUNDED, Amount, bound
from queue_broker.core.consumables import Stocks, needs_of, why_short
from queue_broker.core.hints import NONE, hints_of
from queue_broker.core.ledger import Held, Ledger
from queue_broker.core.tenant_tree import Tree
from queue_broker.records import Group

MINUTE_S = 60.0
NO_STOCKS: Stocks = {}


@dataclass(slots=True)
class Starts:
    """How many tasks each tenant and job started in the last minute."""

    counts: dict[str, int] = field(default_factory=dict)
    log: deque[tuple[float, str, int]] = field(default_factory=deque)

    def note(self, who: str, tasks: int, now_s: float) -> None:
        self.log.append((now_s, who, tasks))
        self.counts[who] = self.counts.get(who, 0) + tasks

    def forget(self, now_s: float) -> None:
        """Drop what is a minute old."""
        while self.log and self.log[0][0] <= now_s - MINUTE_S:
            _, who, tasks = self.log.popleft()
            self.counts[who] -= tasks
            if not self.counts[who]:
                del self.counts[who]


class Quotas:
    """The limits of one pass, on what is held and on what the pass adds to it.

    A quota bounds a tenant with all below it, over all tiers. A tenant that may borrow is bounded
    together with its siblings: what they leave idle of the sum of their quotas is there to use, and
    the order puts those who take back their own before those who borrow. A sibling without a quota
    guarantees nothing, and what it holds counts against the sum.
    """

    def __init__(self, tree: Tree, ledger: Ledger, starts: Starts, stocks: Stocks = NO_STOCKS):
        self.tree = tree
        self.stocks = stocks
        self.taken = Counter(ledger.consumed)
        self.started = ledger.consuming
        self.starts = starts
        self.jobs = dict(ledger.jobs)
        self.active = any(limited(tenant) for tenant in tree.known.values())
        self.held: dict[str, Held] = {}
        self.cohorts: dict[str, tuple[Amount, tuple[str, ...]]] = {}
        self.new: dict[str, int] = {}  #: tasks this pass adds, by tenant or job
        if self.active:
            self.cohorts = cohorts(tree)
            for (_, tenant), one in ledger.tenants.items():
                self.add(tenant, one.amount, 1, one.tasks)

    def add(self, tenant: str, each: Amount, times: int, tasks: int) -> None:
        for name in self.tree.path(tenant):
            held = self.held.setdefault(name, Held())
            held.amount = held.amount.plus(each, times)
            held.tasks += tasks

    def room(self, group: Group, each: Amount, most: int) -> tuple[int, str]:
        """Tasks that may go, and what bounds them where that is fewer than `most`."""
        hints = hints_of(group.job) if group.job.tags else NONE
        why = ""
        if hints is not NONE:
            most, why = self._job_room(group, most)
        if self.stocks:
            most, why = least(most, *self._seats(group), why=why)
        if self.active:
            for name in self.tree.path(group.tenant):
                fits, bounded = self._tenant_room(name, each, most)
                if fits < most:
                    most, why = fits, bounded
        return most, why

    def _job_room(self, group: Group, most: int) -> tuple[int, str]:
        hints, job = hints_of(group.job), group.job_id
        running = self.jobs.get(job, 0) + self.new.get(job, 0)
        started = self.starts.counts.get(job, 0) + self.new.get(job, 0)
        return least(
            most,
            (room_in(hints.max_running, running), "the job's own cap on running tasks"),
            (room_in(hints.max_starts_per_minute, started), "the job's own cap on starts a minute"),
        )

    def _seats(self, group: Group) -> Iterator[tuple[int, str]]:
        """Tasks that there is enough of each consumable resource for, and the words."""
        for name, quantity in needs_of(group).items():
            if (stock := self.stocks.get(name)) is not None and quantity:
                taken = self.taken[name] - (0 if stock.returns else self.started[name])
                yield max(0, stock.quantity - taken) // quantity, why_short(name, stock)

    def _tenant_room(self, name: str, each: Amount, most: int) -> tuple[int, str]:
        tenant = self.tree.known.get(name)
        if tenant is None or not limited(tenant):
            return most, ""
        held = self.held.get(name) or Held()
        started = self.starts.counts.get(name, 0) + self.new.get(name, 0)
        return least(
            most,
            (self._quota_room(name, each, most), f"quota: {name} holds all that it may"),
            (room_in(tenant.max_running, held.tasks), f"max_running of {name}"),
            (room_in(tenant.max_starts_per_minute, started), f"max_starts_per_minute of {name}"),
        )

    def _quota_room(self, name: str, each: Amount, most: int) -> int:
        tenant = self.tree.known[name]
        if tenant.quota is None:
            return most
        if not tenant.borrow:
            return fitting(each, bound(tenant.quota), self._held(name), most)
        nominal, siblings = self.cohorts[name]
        together = Amount()
        for sibling in siblings:
            together = together.plus(self._held(sibling))
        return fitting(each, nominal, together, most)

    def _held(self, name: str) -> Amount:
        held = self.held.get(name)
        return held.amount if held else Amount()

    def take(self, group: Group, each: Amount, tasks: int) -> None:
        """These tasks go."""
        for name, quantity in needs_of(group).items():
            self.taken[name] += quantity * tasks
        if group.job.tags:
            self.new[group.job_id] = self.new.get(group.job_id, 0) + tasks
        if self.active:
            self.add(group.tenant, each, tasks, tasks)
            for name in self.tree.path(group.tenant):
                self.new[name] = self.new.get(name, 0) + tasks

    def note_starts(self, now_s: float) -> None:
        """Remember this pass's starts for the caps by the minute."""
        for who, tasks in self.new.items():
            self.starts.note(who, tasks, now_s)


def limited(tenant: Tenant) -> bool:
    caps = (tenant.quota, tenant.max_running, tenant.max_starts_per_minute)
    return any(cap is not None for cap in caps)


def cohorts(tree: Tree) -> dict[str, tuple[Amount, tuple[str, ...]]]:
    """For each tenant with a quota: the sum of its siblings' quotas with its own, and who they are.

    A sum with an unbounded part is unbounded there.
    """
    families: dict[tuple[str, ...], list[str]] = {}
    for name, tenant in sorted(tree.known.items()):
        if tenant.quota is not None:
            families.setdefault(tree.path(name)[:-1], []).append(name)
    found: dict[str, tuple[Amount, tuple[str, ...]]] = {}
    for names in families.values():
        nominal = Amount()
        for name in names:
            nominal = nominal.plus(bound(tree.known[name].quota))
        for name in names:
            found[name] = (nominal, tuple(names))
    return found


def fitting(each: Amount, most: Amount, held: Amount, tasks: int) -> int:
    return each.times_into(most.plus(held, -1), tasks)


def room_in(cap: int | None, used: int) -> int:
    return UNBOUNDED if cap is None else max(0, cap - used)


def least(most: int, *bounds: tuple[int, str], why: str = "") -> tuple[int, str]:
    for room, words in bounds:
        if room < most:
            most, why = room, words
    return most, why
