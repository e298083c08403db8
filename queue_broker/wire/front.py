"""The front of the broker's own queue, in the order in which the next pass would go through it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headgate.tenancy import Tier
from queue_broker.core.fairness import (
    Order,
    Past,
    Standing,
    Waiting,
    allocation,
    by_tier,
    quantum,
)
from queue_broker.core.ledger import Ledger
from queue_broker.core.tenant_tree import Tree
from queue_broker.core.yard import Yard
from queue_broker.records import Group
from queue_broker.wire.service import Wire

#: Groups of each tenant in each tier that are looked at, as in a pass of the cycle.
PER_TENANT = 100


def front(wire: Wire) -> Iterator[Group]:
    """What waits at the gate: tier by tier, each by its tenants' fair shares, each once.

    What a tenant had lately (the leader's memory) plays no part, so neighbours may change places.
    """
    groups = wire.store.heads(PER_TENANT)
    standing = standing_of(wire, groups)
    tiers = by_tier(groups)
    for tier in sorted(wire.submitter.tiers(), key=lambda one: (one.rank, one.name)):
        yield from in_tier(standing, tier, tiers.get(tier.name, {}))


def standing_of(wire: Wire, groups: Sequence[Group]) -> Standing:
    lanes = wire.engine.lanes()
    total = Yard.of(lanes).fleet
    return Standing(
        total=total,
        tree=Tree.of(wire.store.tenants()),
        held=Ledger.of(wire.store.open_leaks(), lanes).tenants,
        past=Past(),
        # One turn a group: how far it comes in that turn is all that its place depends on.
        left={
            one.group_id: min(len(one.waiting), quantum(allocation(one), total)) for one in groups
        },
        now_s=wire.clock(),
        urgent_s={tier.name: tier.promise_s for tier in wire.submitter.tiers()},
    )


def in_tier(standing: Standing, tier: Tier, waiting: Waiting) -> Iterator[Group]:
    order = Order.of(standing, tier.name, waiting)
    while (turn := order.next()) is not None:
        yield turn.group
        order.took(turn, turn.tasks)
