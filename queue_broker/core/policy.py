"""The policy with its few memories, from one pass to the next. Everything it calls is pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from headgate.lifecycle import Cause
from headgate.tenancy import Tenant, Tier
from queue_broker.core import preempt
from queue_broker.core.bucket import TokenBucket
from queue_broker.core.consumables import Stocks
from queue_broker.core.debts import Debts
from queue_broker.core.fairness import Past, allocation
from queue_broker.core.headroom import Headroom
from queue_broker.core.leak import Decision, Snapshot, decide
from queue_broker.core.ledger import Ledger, tier_shares
from queue_broker.core.quotas import Starts
from queue_broker.core.runs import Runs
from queue_broker.core.stuck import Head, cheapest, heads, is_behind, waiting
from queue_broker.core.tenant_tree import Tree
from queue_broker.core.victims import Scene, by_leak
from queue_broker.core.window import FIRST, Window
from queue_broker.core.yard import Yard
from queue_broker.events import Ended, Reported
from queue_broker.records import Changes, Group, Lane, Leak, Tasks


@dataclass(slots=True)
class Policy:
    """What a decision needs beyond what the store says. A new leader starts with empty memories,
    and is as good as the old one after a half-life; nothing but fairness rests on them.

    `bucket` None: hand-overs are not counted (this machine has no such limit).
    """

    headroom: Headroom | None = field(default_factory=Headroom)
    bucket: TokenBucket | None = None
    preempts: bool = True
    windows: dict[str, Window] = field(default_factory=dict)
    debts: Debts = field(default_factory=Debts)
    past: Past = field(default_factory=Past)
    starts: Starts = field(default_factory=Starts)
    runs: Runs = field(default_factory=Runs)
    ledger: Ledger = field(default_factory=Ledger)
    yard: Yard = field(default_factory=lambda: Yard.of(()))
    tree: Tree = field(default_factory=Tree)
    pressed: bool = False  #: whether the first tier had no room for all, by the last decision
    heads: list[Head] = field(default_factory=list)  #: as of the last decision
    lanes: Sequence[Lane] = ()  #: as of the last decision
    last_s: float | None = None

    def decide(
        self, groups: Sequence[Group], changes: Changes, lanes: Sequence[Lane], world: World
    ) -> Decision:
        """What is leaked now; the time since the last decision counts, and what became of the open
        leaks meanwhile."""
        passed_s = max(0.0, world.now_s - (world.now_s if self.last_s is None else self.last_s))
        self.lanes, self.yard = lanes, self.yard.renewed(lanes)
        self.ledger.renew(changes, lanes)
        self.runs.forget(changes.gone)
        self._renew_tree(world.tenants)
        self._pass_time(groups, world.tiers, passed_s)
        self._note_arrivals(groups, world)
        self.last_s = world.now_s
        full = {lane.name for lane in lanes if lane.running == lane.instances}
        self.heads = heads(full, self._scene(world))
        if not groups:
            self.pressed = False
            return Decision((), {})
        decision = decide(self._snapshot(groups, lanes, world))
        self.pressed = bool(decision.blocked)
        if self.bucket is not None:
            self.bucket.take(len(decision.intents), world.now_s)
        return decision

    def victims(self, decision: Decision, world: World) -> dict[str, Tasks]:
        """Whom to stop for those who found no room, or no instance with enough of it; they are
        remembered as being stopped.
        """
        if not self.preempts or not (decision.blocked or self.heads):
            return {}
        top = min(world.tiers, key=lambda tier: (tier.rank, tier.name))
        scene = replace(self._scene(world), intents=decision.intents)
        chosen = preempt.choose(decision.blocked, top.promise_s, scene)
        for head in self.heads:
            for leak, tasks in self._unstick(head, top.name, decision, scene).items():
                chosen[leak] = chosen.get(leak, Tasks()) | tasks
        for leak, tasks in chosen.items():
            self.runs.stopping[leak] = self.runs.stopping.get(leak, Tasks()) | tasks
        return chosen

    def _unstick(
        self, head: Head, top: str, decision: Decision, scene: Scene
    ) -> Mapping[str, Tasks]:
        """Room for a head of the first tier; else, where the first tier needs its lane, the head
        itself, which is not sent there again before an instance has room for it.
        """
        leak = head.entry.leak
        going = cheapest(head) if leak.tier == top else ()
        if going or not (leak.tier == top or decision.blocked or is_behind(head, top, scene)):
            return by_leak(going)
        back = waiting(head, scene)
        return {leak.name: back} if back else {}

    def _scene(self, world: World) -> Scene:
        return Scene(
            self.yard,
            self.ledger,
            self.runs,
            world.tiers,
            world.now_s,
            spared=self.debts.due,
            delays_s={lane: one.base_s or 0.0 for lane, one in self.windows.items()},
            lanes=self.lanes,
        )

    def learn(self, seen: Reported, leaks: Mapping[str, Leak], world: World) -> None:
        """From one pass's starts and ends."""
        preemptible = {tier.name for tier in world.tiers if tier.preemptible}
        self.runs.learn(seen.started, leaks, preemptible)
        delays: dict[str, list[float]] = defaultdict(list)
        for start in seen.started:
            leak = leaks.get(start.leak)
            if leak is not None and leak.handed_over_at_s is not None:
                delays[leak.lane].append(start.at_s - leak.handed_over_at_s)
        for end in seen.ended:
            leak = leaks.get(end.leak)
            if leak is not None and (runtime_s := whole_run_s(end)) is not None:
                self.ledger.measure(leak, runtime_s)
        promise_s = min(tier.promise_s for tier in world.tiers)
        for lane, delays_s in delays.items():
            window = self.windows.get(lane, FIRST)
            self.windows[lane] = window.after_starts(delays_s, promise_s)

    def _snapshot(self, groups: Sequence[Group], lanes: Sequence[Lane], world: World) -> Snapshot:
        snapshot = Snapshot(
            groups=groups,
            leaks=(),  # the ledger has them
            lanes=lanes,
            tiers=world.tiers,
            now_s=world.now_s,
            tree=self.tree,
            windows=self._windows(world.most_waiting_s),
            debts=self.debts,
            past=self.past,
            starts=self.starts,
            calls=None if self.bucket is None else max(0, self.bucket.left(world.now_s)),
            runs=self.runs,
            shut={head.place for head in self.heads},
            stocks=world.stocks,
            kept_ledger=self.ledger,
            kept_yard=self.yard,
        )
        if self.headroom is None:
            return snapshot
        return snapshot.with_headroom(self.headroom.keep(world.now_s, self.yard.fleet))

    def _windows(self, most_s: Mapping[str, float]) -> Mapping[str, Window]:
        """The windows as they adapted, within what people set."""
        if not most_s:
            return self.windows
        known = {lane: self.windows.get(lane, FIRST) for lane in {*self.windows, *most_s}}
        return {lane: one.within(most_s.get(lane)) for lane, one in known.items()}

    def _renew_tree(self, tenants: Sequence[Tenant]) -> None:
        known = self.tree.known
        if len(tenants) != len(known) or not all(same(known.get(one.name), one) for one in tenants):
            self.tree = Tree.of(tenants)

    def _pass_time(self, groups: Sequence[Group], tiers: Sequence[Tier], passed_s: float) -> None:
        having = tier_shares(self.ledger, self.yard.fleet)
        waiting = {group.tier for group in groups}
        shares = {tier: having.get(tier, 0.0) for tier in waiting}
        self.debts.accrue(tiers, shares, passed_s, pressed=self.pressed)
        self.past.pass_time(self.ledger.tenants, self.yard.fleet, passed_s)

    def _note_arrivals(self, groups: Sequence[Group], world: World) -> None:
        if self.headroom is None or self.last_s is None:
            return
        top = min(world.tiers, key=lambda tier: (tier.rank, tier.name)).name
        fresh = [one for one in groups if one.tier == top and one.queued_at_s > self.last_s]
        for group in sorted(fresh, key=lambda group: (group.queued_at_s, group.group_id)):
            self.headroom.arrived(allocation(group), len(group.waiting), group.queued_at_s)


def same(tenant: Tenant | None, other: Tenant) -> bool:
    """Mostly it is the very object: to compare two field by field takes twenty times as long."""
    return tenant is other or tenant == other


def whole_run_s(end: Ended) -> float | None:
    """How long a task took that ended by itself: what was stopped or killed tells less."""
    if end.cause is Cause.EXITED and end.started_at_s is not None:
        return end.at_s - end.started_at_s
    return None


@dataclass(frozen=True, slots=True)
class World:
    """What people set, and the time."""

    tiers: Sequence[Tier]
    tenants: Sequence[Tenant]
    now_s: float
    most_waiting_s: Mapping[str, float] = field(default_factory=dict)  #: by lane, set by hand
    stocks: Stocks = field(default_factory=dict)  #: of consumable resources
