"""What is leaked now, and why the rest is held. Pure: a snapshot in, a decision out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

from headgate.resources import Resources
from headgate.tenancy import Tier
from queue_broker.core.capacity import Board
from queue_broker.core.consumables import Stocks
from queue_broker.core.debts import Debts, price_s
from queue_broker.core.fairness import Order, Past, Standing, Turn, by_tier
from queue_broker.core.hosts import START_S, Hosts
from queue_broker.core.intents import MAX_LEAK, to_intents
from queue_broker.core.ledger import Ledger
from queue_broker.core.place import CLOSED, NO_ROOM, NODES, Placing
from queue_broker.core.quotas import Quotas, Starts
from queue_broker.core.runs import Runs
from queue_broker.core.tenant_tree import Tree
from queue_broker.core.whole import PART, is_part
from queue_broker.core.window import Window
from queue_broker.core.yard import Ranking, Yard
from queue_broker.records import Group, GroupId, Intent, Lane, Leak

#: After so many turns in a row without a place, the tier is done with for this pass: backfill is
#: looked for so deep and no deeper (Slurm's bf_max_job_test), so that a pass stays short. Whom a
#: limit holds back is not counted: those behind him may have room, and would never have their turn.
MOST_FRUITLESS = 500
NO_TIER = "its tier is no more: move the job to another, or set the tier again"
TURN = "waits its turn: higher tiers, or tenants with a smaller share, go first"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one decision looks at; `ledger` and `yard` may be kept from the pass before. Each of
    the groups has tasks that wait.

    `headroom` is what only the first tier may use. `calls` is how many hand-overs may be made;
    None: any number.
    """

    groups: Sequence[Group]
    leaks: Sequence[Leak]
    lanes: Sequence[Lane]
    tiers: Sequence[Tier]
    now_s: float
    tree: Tree = field(default_factory=Tree)
    windows: Mapping[str, Window] = field(default_factory=dict)
    debts: Debts = field(default_factory=Debts)
    past: Past = field(default_factory=Past)
    starts: Starts = field(default_factory=Starts)
    headroom: Resources = field(default_factory=Resources)
    calls: int | None = None
    stocks: Stocks = field(default_factory=dict)  #: of consumable resources
    runs: Runs = field(default_factory=Runs)
    shut: Collection[int] = ()  #: places whose queue a stuck head keeps shut
    kept_ledger: Ledger | None = None
    kept_yard: Yard | None = None

    def with_headroom(self, kept: Resources) -> Snapshot:
        return replace(self, headroom=kept)

    @property
    def ledger(self) -> Ledger:
        return self.kept_ledger or Ledger.of(self.leaks, self.lanes)

    @property
    def yard(self) -> Yard:
        return self.kept_yard or Yard.of(self.lanes)


@dataclass(frozen=True, slots=True)
class Decision:
    """Intents to write, the reason of every group that still waits, and who waits for want of room
    in the first tier (in order), for whom others may be stopped. `parts` are of arrays that go
    whole, and wait for the rest."""

    intents: tuple[Intent, ...]
    holds: Mapping[GroupId, str]
    blocked: tuple[Group, ...] = ()
    parts: tuple[Group, ...] = ()


def decide(snapshot: Snapshot) -> Decision:
    """Order the groups, place them on what is free, keep the head's room, and mind the limits."""
    desk = Desk(snapshot)
    ranked = sorted(snapshot.tiers, key=lambda tier: (tier.rank, tier.name))
    first, rest = ranked[:1], ranked[1:]
    due = [tier for tier in rest if tier.name in snapshot.debts.due]
    # 1. Minimum shares that are long due go first.
    for tier in due:
        desk.serve_debt(tier)
    # 2. Then the first tier, and what else is owed: room that others were stopped for would go to
    # them again if it were the other way round.
    for tier in first:
        desk.serve(tier, top=True)
    for tier in rest:
        if tier not in due:
            desk.serve_debt(tier)
    # 3. Then the other tiers strictly, and tenants by their shares.
    for tier in rest:
        desk.serve(tier, top=tier.rank == ranked[0].rank)
    # 4. What has to be started anew is packed together; then the answer.
    desk.placing.repack()
    intents = to_intents(desk.placing.placed, desk.placing.groups)
    desk.quotas.note_starts(snapshot.now_s)
    return Decision(intents, desk.holds(), tuple(desk.placing.blocked), tuple(desk.parts))


def is_news(why: str, told: str | None) -> bool:
    """Whether a group's reason to wait is written anew. On a fleet that is nearly full the turn of
    thousands comes in one pass and not in the next: that there was no room stays true for them."""
    return why != told and (why, told) != (TURN, NO_ROOM)


class Desk:
    """One decision under way."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        ledger, yard = snapshot.ledger, snapshot.yard
        snapshot.starts.forget(snapshot.now_s)
        self.left: dict[GroupId, int] = {}  #: of groups of which some have gone
        self.by_tier = by_tier(snapshot.groups)
        self.quotas = Quotas(snapshot.tree, ledger, snapshot.starts, snapshot.stocks)
        windows, runs = snapshot.windows, snapshot.runs
        board = Board.of(yard, snapshot.lanes, ledger, windows, runs, snapshot.shut)
        hosts = Hosts(yard, snapshot.lanes, ledger, snapshot.now_s, runs.instances)
        self.placing = Placing(board, hosts, snapshot.headroom, snapshot.calls)
        self.standing = Standing(
            total=yard.fleet,
            tree=snapshot.tree,
            held=ledger.tenants,
            past=snapshot.past,
            left=self.left,
            now_s=snapshot.now_s,
            urgent_s={tier.name: tier.promise_s for tier in snapshot.tiers},
            each=lambda group: yard.ranking(group).priced,
            by_shim=any(lane.index_by_shim for lane in snapshot.lanes),
        )
        self.parts: list[Group] = []
        self.whys: dict[GroupId, str] = {}
        self.limited = False  #: whether it was a limit that bounded the last turn

    def serve_debt(self, tier: Tier) -> None:
        """As many tasks as the tier's debt pays for, of the first that no limit holds back."""
        if not self.by_tier.get(tier.name) or self.snapshot.debts.owed_s.get(tier.name, 0.0) <= 0:
            return
        order = Order.of(self.standing, tier.name, self.by_tier[tier.name])
        while (turn := order.next()) is not None:
            self.limited = False
            if self._pay_for(tier, turn) or not self.limited:
                return
            order.took(turn, 0)

    def _pay_for(self, tier: Tier, turn: Turn) -> int:
        debts = self.snapshot.debts
        runtime_s = self.placing.ledger.runtime_s(turn.group.group_id, turn.group.estimate)
        price = price_s(turn.group, self.standing.total, runtime_s)
        if turn.gang or turn.whole:
            tasks = turn.tasks * min(1, debts.affords(tier, price * turn.tasks))
        else:
            tasks = min(turn.tasks, debts.affords(tier, price))
        if not tasks:
            return 0
        went = self.offer(turn._replace(tasks=tasks, debt=True), top=True)
        left = self.left[turn.group.group_id] = self.standing.left_of(turn.group) - went
        debts.pay(tier.name, price * went)
        if not left:
            self.by_tier[tier.name][turn.group.tenant].remove(turn.group)
        return went

    def serve(self, tier: Tier, *, top: bool) -> None:
        """The tier's turns, until nobody has work left or no lane has room left."""
        waiting = self.by_tier.get(tier.name, {})
        groups = list(chain.from_iterable(waiting.values()))
        if not groups:
            return
        shapes = self.placing.board.yard.rankings(groups)
        self.placing.patient = tier.promise_s >= START_S
        if not self.placing.hopeful(set(shapes), top=top):
            self._hold_all(tier, groups, shapes, top=top)
            return
        order = Order.of(self.standing, tier.name, waiting)
        fruitless = 0
        while fruitless < MOST_FRUITLESS and (turn := order.next()) is not None:
            went = self.offer(turn, top=top)
            fruitless = 0 if went else fruitless + (not self.limited)
            order.took(turn, went)
            if went < turn.tasks and not self.placing.hope(top=top):
                break
            if not went:
                fruitless += self._pass_over(order, MOST_FRUITLESS - fruitless, top=top)
        self.placing.close_tier()

    def _pass_over(self, order: Order, most: int, *, top: bool) -> int:
        """What follows in the same tenant's turn and is known to find no place: as `offer` would
        answer one after the other, at a tenth of the cost."""
        if self.quotas.active:
            return 0
        passed = order.pass_over(partial(self.placing.dead, top=top), most)
        self.whys |= dict.fromkeys([group.group_id for group in passed], NO_ROOM)
        if top:
            self.placing.blocked.extend(passed)
        return len(passed)

    def _hold_all(
        self, tier: Tier, groups: Sequence[Group], shapes: Sequence[Ranking], *, top: bool
    ) -> None:
        """No lane has room for anybody in the tier."""
        self.whys |= dict.fromkeys([group.group_id for group in groups], NO_ROOM)
        whose = zip(groups, shapes, strict=True)
        never = {group.group_id: shape.never for group, shape in whose if shape.never}
        self.whys |= never
        if top:
            blocked = [group for group in groups if group.group_id not in never]
            self.placing.blocked.extend(sorted(blocked, key=self.standing.seniority))
        waiting = self.by_tier[tier.name]
        self.placing.despair(lambda: Order.of(self.standing, tier.name, waiting).next())

    def offer(self, turn: Turn, *, top: bool) -> int:
        """Give a turn what the limits and the lanes allow; returns how many tasks go."""
        self.limited = False
        if turn.whole and is_part(turn.group) and not turn.group.dropped:
            self.whys[turn.group.group_id] = PART
            self.parts.append(turn.group)
            return 0
        most, why = self.quotas.room(turn.group, turn.each, turn.tasks)
        if turn.gang or turn.whole:
            most = 0 if most < turn.tasks else min(most, MAX_LEAK)
        went = self.placing.place(turn, most, top=top)
        if went:
            self.quotas.take(turn.group, turn.each, went)
        if went < turn.tasks:
            self.limited = went == most and bool(why)
            self.whys[turn.group.group_id] = why if self.limited else self.placing.why
        return went

    def shut_out(self) -> dict[GroupId, str]:
        """Of those without room, whose lanes are all closed: waiting does not help them."""
        is_open, lanes = self.placing.board.open, self.snapshot.lanes
        if is_open.all():
            return {}
        found: dict[GroupId, str] = {}
        for group in self.snapshot.groups:
            if self.whys.get(group.group_id) in (NO_ROOM, NODES):
                order = self.placing.board.yard.ranking(group).order
                if not is_open[order].any():
                    first = lanes[order[0]]
                    found[group.group_id] = f"{CLOSED}; {first.name}: {first.closed}"
        return found

    def holds(self) -> dict[GroupId, str]:
        """Why each group still waits. The words hold no figures that change from pass to pass."""
        ranked = {tier.name for tier in self.snapshot.tiers}
        found: dict[GroupId, str] = {}
        for tier, waiting in self.by_tier.items():
            numbers = [group.group_id for group in chain.from_iterable(waiting.values())]
            found |= dict.fromkeys(numbers, TURN if tier in ranked else NO_TIER)
        found |= self.whys | self.shut_out()
        for gone in [number for number, left in self.left.items() if not left]:
            found.pop(gone, None)
        return found
