"""Whose turn it is: tiers strictly, then tenants by weighted dominant share. Pure.

A tier's minimum share is kept as a debt in fleet-seconds: while it has work and runs on less than
its
share, the debt grows; once it would pay for the tier's next task, that task goes first, once. So a
minimum
share bends the strict order by one task at a time, and never starves anybody for ever.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from headgate.resources import Resources
from headgate.tenancy import Tenant, Tier
from queue_broker.records import Group


@dataclass(frozen=True, slots=True)
class Holding:
    """What a tenant holds in a tier now."""

    tier: str
    tenant: str
    resources: Resources


@dataclass(frozen=True, slots=True)
class Turn:
    """Some tasks of a group, in the order that they may go; `debt` marks a minimum share's turn."""

    group: Group
    tasks: int
    debt: bool = False


@dataclass(slots=True)
class Debts:
    """What the fleet owes each tier, in fleet-seconds. The only state of the policy."""

    owed_s: dict[str, float] = field(default_factory=dict)

    def accrue(self, tiers: Sequence[Tier], shares: Mapping[str, float], idle_s: float) -> None:
        """Let `idle_s` seconds pass. `shares` has each tier with work, and its share of the fleet.

        A debt never grows beyond a minute of the whole fleet, so that a long famine ends softly.
        """
        for tier in tiers:
            if tier.name not in shares:
                self.owed_s.pop(tier.name, None)
                continue
            missing = max(0.0, tier.min_share - shares[tier.name])
            self.owed_s[tier.name] = min(60.0, self.owed_s.get(tier.name, 0.0) + missing * idle_s)

    def pay(self, tier: str, price_s: float) -> None:
        self.owed_s[tier] = max(0.0, self.owed_s.get(tier, 0.0) - price_s)


def price_s(group: Group, total: Resources) -> float:
    """What one task of the group costs the fleet, in fleet-seconds."""
    if group.estimate is None:
        return 0.0
    return group.estimate.allocation.dominant_share(total) * group.estimate.runtime_s.p50


def shares(holdings: Sequence[Holding], total: Resources) -> dict[str, float]:
    """Each tier's dominant share of the fleet."""
    held: dict[str, Resources] = defaultdict(Resources)
    for holding in holdings:
        held[holding.tier] += holding.resources
    return {tier: resources.dominant_share(total) for tier, resources in held.items()}


def turns(
    groups: Sequence[Group],
    holdings: Sequence[Holding],
    tiers: Sequence[Tier],
    tenants: Mapping[str, Tenant],
    total: Resources,
    debts: Debts,
) -> Iterator[Turn]:
    """The order in which waiting tasks may go, lazily, with what goes counted as held."""
    by_tier: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        by_tier[group.tier].append(group)
    ranked = sorted(tiers, key=lambda tier: (tier.rank, tier.name))
    for tier in ranked:
        head = first(by_tier[tier.name])
        if head and debts.owed_s.get(tier.name, 0.0) >= max(price_s(head, total), 1e-9):
            yield Turn(head, 1, debt=True)
    for tier in ranked:
        held = {h.tenant: h.resources for h in holdings if h.tier == tier.name}
        yield from share(by_tier[tier.name], held, tenants, total)


def first(groups: Sequence[Group]) -> Group | None:
    return min(groups, key=seniority, default=None)


def seniority(group: Group) -> tuple[int, float, int]:
    """A total order within a tenant: priority, age, number."""
    return (-group.priority, group.queued_at_s, group.group_id)


def share(
    groups: Sequence[Group],
    held: Mapping[str, Resources],
    tenants: Mapping[str, Tenant],
    total: Resources,
) -> Iterator[Turn]:
    """Progressive filling (DRF, Ghodsi et al. 2011): the tenant with the least weighted share goes
    next.

    A turn is as many tasks as move the tenant's share by a hundredth of the fleet, one at the
    least,
    so that the cost follows the fleet's size and not the backlog's.
    """
    queues: dict[str, list[Group]] = defaultdict(list)
    for group in sorted(groups, key=seniority):
        queues[group.tenant].append(group)
    mine = {tenant: held.get(tenant, Resources()) for tenant in queues}
    left = {group.group_id: len(group.waiting) for group in groups}
    heap = [(weigh(mine[name], total, tenants.get(name)), name) for name in sorted(queues)]
    heapq.heapify(heap)
    while heap:
        _, name = heapq.heappop(heap)
        group = queues[name][0]
        tasks = min(quantum(group, total), left[group.group_id])
        yield Turn(group, tasks)
        left[group.group_id] -= tasks
        if not left[group.group_id]:
            queues[name].pop(0)
        if queues[name]:
            mine[name] += allocation(group) * tasks
            heapq.heappush(heap, (weigh(mine[name], total, tenants.get(name)), name))


def allocation(group: Group) -> Resources:
    return group.estimate.allocation if group.estimate else Resources()


def quantum(group: Group, total: Resources) -> int:
    share_of_one = allocation(group).dominant_share(total)
    return max(1, int(0.01 / share_of_one)) if share_of_one > 0 else len(group.waiting)


def weigh(resources: Resources, total: Resources, tenant: Tenant | None) -> float:
    return resources.dominant_share(total) / (tenant.weight if tenant else 1.0)
