"""What is leaked now, and why the rest is held. Pure: a snapshot in, a decision out."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from headgate.resources import Resources
from headgate.tenancy import Tenant, Tier
from packer.demand import Demand
from packer.options import PackOptions
from packer.pack import pack
from packer.plan import Plan, Reason, Unplaced
from queue_broker.core import capacity
from queue_broker.core.capacity import LaneLoad, Reservation
from queue_broker.core.fairness import Debts, Holding, Turn, allocation, price_s, turns
from queue_broker.core.window import Window
from queue_broker.records import Group, GroupId, Intent, Lane, Leak, Tasks

#: An AWS Batch array takes 2 to 10,000 children.
MAX_LEAK = 10_000
#: Turns looked at beyond what fits, so that small tasks can fill the gaps behind a big one.
LOOK_BEHIND = 64
#: These pass by themselves; the head of the queue gets a reservation for them.
PASSING = frozenset({Reason.NO_ROOM, Reason.TYPE_LIMIT, Reason.VCPU_QUOTA})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one decision looks at."""

    groups: Sequence[Group]
    leaks: Sequence[Leak]
    lanes: Sequence[Lane]
    tiers: Sequence[Tier]
    tenants: Mapping[str, Tenant]
    windows: Mapping[str, Window]
    debts: Debts
    now_s: float
    options: PackOptions = field(default_factory=PackOptions)

    @property
    def total(self) -> Resources:
        return sum((lane.shape * lane.instances for lane in self.lanes), Resources())

    def loads(self) -> list[LaneLoad]:
        return [capacity.load(lane, self.leaks, self.now_s) for lane in self.lanes]

    def holdings(self) -> list[Holding]:
        held: dict[tuple[str, str], Resources] = defaultdict(Resources)
        for leak in self.leaks:
            held[leak.tier, leak.tenant] += leak.allocation * len(leak.open)
        return [Holding(tier, tenant, sum_) for (tier, tenant), sum_ in sorted(held.items())]


@dataclass(frozen=True, slots=True)
class Decision:
    """Intents to write, and the reason of every group that still waits."""

    intents: tuple[Intent, ...]
    holds: Mapping[GroupId, str]


def decide(snapshot: Snapshot) -> Decision:
    """Order the groups, pack them on what is free, keep the head's room, and mind the windows."""
    loads = snapshot.loads()
    chosen = choose(snapshot, loads)
    demands = [to_demand(rank, turn) for rank, turn in enumerate(chosen)]
    plan = pack_on(loads, demands, snapshot.options)
    placed = by_lane(plan)
    keep_room_for_head(chosen, plan, placed, loads)
    mind_windows(chosen, placed, loads, snapshot)
    intents = to_intents(chosen, placed)
    pay_debts(chosen, placed, snapshot)
    return Decision(intents, reasons(snapshot.groups, chosen, plan, intents))


def choose(snapshot: Snapshot, loads: Sequence[LaneLoad]) -> list[Turn]:
    """The first turns: as many as could fit, and a few more to fill the gaps."""
    free = sum((load.free for load in loads if not load.lane.closed), Resources())
    order = turns(
        snapshot.groups,
        snapshot.holdings(),
        snapshot.tiers,
        snapshot.tenants,
        snapshot.total,
        snapshot.debts,
    )
    picked, chosen, beyond = Resources(), [], 0
    for turn in order:
        chosen.append(turn)
        one = allocation(turn.group)
        if one.fits(free):
            picked += one * turn.tasks
        beyond += int(not picked.fits(free) or not one.fits(free))
        if beyond > LOOK_BEHIND:
            break
    return chosen


def to_demand(rank: int, turn: Turn) -> Demand:
    request = turn.group.job.resources
    return Demand(
        key=str(rank),
        shape=allocation(turn.group),
        count=turn.tasks,
        rank=rank,
        runtime_s=turn.group.estimate.runtime_s.p50 if turn.group.estimate else None,
        gpu_model=request.gpu_model,
        gpu_memory_mib=request.gpu_memory_mib,
        arch=request.arch,
    )


def pack_on(loads: Sequence[LaneLoad], demands: Sequence[Demand], options: PackOptions) -> Plan:
    pairs = [capacity.hosts(load) for load in loads if not load.lane.closed]
    bins = list(itertools.chain.from_iterable(bins for bins, _ in pairs))
    types = list(itertools.chain.from_iterable(types for _, types in pairs))
    return pack(demands, bins=bins, catalogue=types, options=options)


Placed = dict[int, dict[str, int]]  # rank -> lane -> tasks


def by_lane(plan: Plan) -> Placed:
    placed: Placed = defaultdict(lambda: defaultdict(int))
    for placement in plan.placements:
        for key, tasks in placement.contents.items():
            placed[int(key)][placement.host] += tasks * placement.instances
    return placed


def keep_room_for_head(
    chosen: Sequence[Turn], plan: Plan, placed: Placed, loads: Sequence[LaneLoad]
) -> None:
    """Take back what would delay the first turn without room: backfill never delays the head."""
    waiting = [int(out.key) for out in plan.unplaced if out.reason in PASSING]
    if not waiting:
        return
    head = min(waiting)
    ahead = after_placing(loads, placed, chosen, before=head)
    kept = capacity.reserve(allocation(chosen[head].group), ahead)
    if kept is not None:
        backfill(kept, chosen, placed, head)


def after_placing(
    loads: Sequence[LaneLoad], placed: Placed, chosen: Sequence[Turn], before: int
) -> list[LaneLoad]:
    """The lanes as they will be once the turns before the head are in."""
    return [load_with(load, placed, chosen, before) for load in loads]


def load_with(load: LaneLoad, placed: Placed, chosen: Sequence[Turn], before: int) -> LaneLoad:
    used, ends = load.used, list(load.ends)
    for rank in range(before):
        taken = allocation(chosen[rank].group) * placed.get(rank, {}).get(load.lane.name, 0)
        if taken != Resources():
            used += taken
            ends.append((runtime_p95_s(chosen[rank].group), taken))
    return LaneLoad(load.lane, used, load.waiting_s, tuple(sorted(ends)))


def backfill(kept: Reservation, chosen: Sequence[Turn], placed: Placed, head: int) -> None:
    """Behind the head, the kept lane takes what ends in time, or what the head leaves over."""
    spare = kept.spare
    for rank in sorted(rank for rank in placed if rank > head):
        tasks = placed[rank].get(kept.lane, 0)
        group = chosen[rank].group
        if not tasks or runtime_p95_s(group) <= kept.in_s:
            continue
        fitting = allocation(group).times_into(spare, tasks)
        placed[rank][kept.lane] = fitting
        spare -= allocation(group) * fitting


def runtime_p95_s(group: Group) -> float:
    return group.estimate.runtime_s.p95 if group.estimate else float("inf")


def mind_windows(
    chosen: Sequence[Turn], placed: Placed, loads: Sequence[LaneLoad], snapshot: Snapshot
) -> None:
    """Let no more into a lane than its window takes; the first tier is never held back by it."""
    top = min(tier.rank for tier in snapshot.tiers)
    rank_of = {tier.name: tier.rank for tier in snapshot.tiers}
    for load in loads:
        name = load.lane.name
        room_s = snapshot.windows.get(name, Window()).room_s(load.waiting_s, 1)
        for rank in sorted(placed):
            group = chosen[rank].group
            tasks = placed[rank].get(name, 0)
            each_s = price_s(group, load.total)
            if tasks and each_s > 0 and rank_of.get(group.tier, top + 1) > top:
                empty = load.waiting_s <= 0 and room_s > 0
                tasks = min(tasks, max(int(room_s / each_s), 1 if empty else 0))
                placed[rank][name] = tasks
            room_s -= tasks * each_s


def to_intents(chosen: Sequence[Turn], placed: Placed) -> tuple[Intent, ...]:
    """Intents by group and lane, each of at most an array's size, the lowest indexes first."""
    wanted: dict[tuple[GroupId, str], int] = defaultdict(int)
    groups = {turn.group.group_id: turn.group for turn in chosen}
    for rank in sorted(placed):
        for lane, tasks in sorted(placed[rank].items()):
            wanted[chosen[rank].group.group_id, lane] += tasks
    taken: dict[GroupId, int] = defaultdict(int)
    intents = []
    for (group_id, lane), tasks in wanted.items():
        group = groups[group_id]
        for size in slices(tasks):
            first = taken[group_id]
            indexes = Tasks(group.waiting[first : first + size])
            taken[group_id] += len(indexes)
            if indexes:
                given = allocation(group)
                intents.append(Intent(group_id, group.version, indexes, lane, given))
    return tuple(intents)


def slices(tasks: int) -> Iterable[int]:
    return (min(MAX_LEAK, tasks - start) for start in range(0, tasks, MAX_LEAK))


def pay_debts(chosen: Sequence[Turn], placed: Placed, snapshot: Snapshot) -> None:
    for rank, turn in enumerate(chosen):
        if turn.debt and any(placed.get(rank, {}).values()):
            snapshot.debts.pay(turn.group.tier, price_s(turn.group, snapshot.total))


def reasons(
    groups: Sequence[Group], chosen: Sequence[Turn], plan: Plan, intents: Sequence[Intent]
) -> dict[GroupId, str]:
    """Why each group still waits. The words hold no figures that change from pass to pass."""
    leaked: dict[GroupId, int] = defaultdict(int)
    for intent in intents:
        leaked[intent.group_id] += len(intent.tasks)
    why = {chosen[int(out.key)].group.group_id: words(out) for out in reversed(plan.unplaced)}
    seen = {turn.group.group_id for turn in chosen}
    return {
        group.group_id: why.get(group.group_id) or default_reason(group, seen)
        for group in groups
        if leaked[group.group_id] < len(group.waiting)
    }


def default_reason(group: Group, seen: set[GroupId]) -> str:
    if group.group_id in seen:
        return "held back: the lane's window is full, or room is kept for the head of the queue"
    return "waits its turn: higher tiers, or tenants with a smaller share, go first"


def words(out: Unplaced) -> str:
    if out.reason in PASSING:
        return "no room: every lane that could hold it is busy"
    return f"{out.reason.value}: {out.detail}" if out.detail else out.reason.value
