"""What the fleet owes to minimum shares. Pure.

A tier's minimum share is kept as a debt in fleet-seconds: while it has work and runs on less than
its share, the debt grows; what it would pay for goes before all but the first tier, and once it is
due before that too. So a minimum share bends the strict order by no more than the fleet owes, no
promise of the first tier pays for a famine shorter than the other's own, and nothing starves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headgate.tenancy import Tier
from queue_broker.core.amounts import Amount
from queue_broker.core.fairness import allocation
from queue_broker.records import Group

#: Longer tasks cost a debt no more than these: a minimum share is of capacity, not of patience.
MOST_PRICED_S = 600.0
#: A debt is kept for this long, so that a long famine ends softly.
MOST_OWED_S = 60.0


@dataclass(slots=True)
class Debts:
    """What the fleet owes each tier, in fleet-seconds. `paid_s` was paid for tasks that still run:
    what they hold is not charged a second time, or the share would come out at half.

    `due` are tiers that ran on less than their share for as long as their own promise. They stay
    due until they have it and nobody of the first tier waits for room: else each famine would be
    followed by the next.
    """

    owed_s: dict[str, float] = field(default_factory=dict)
    paid_s: dict[str, float] = field(default_factory=dict)
    short_s: dict[str, float] = field(default_factory=dict)  #: on less than the share, in a row
    due: set[str] = field(default_factory=set)

    def accrue(
        self,
        tiers: Sequence[Tier],
        shares: Mapping[str, float],
        passed_s: float,
        *,
        pressed: bool = False,
    ) -> None:
        """Let time pass. `shares` has each tier with work, and its share of the fleet; `pressed`
        says that the first tier had no room for all."""
        for tier in tiers:
            if tier.name not in shares:
                self.owed_s.pop(tier.name, None)
                self.paid_s.pop(tier.name, None)
                self.short_s.pop(tier.name, None)
                self.due.discard(tier.name)
                continue
            self._fall_due(tier, shares[tier.name], passed_s, pressed=pressed)
            held_s = shares[tier.name] * passed_s
            ahead_s = self.paid_s.get(tier.name, 0.0)
            self.paid_s[tier.name] = max(0.0, ahead_s - held_s)
            missing_s = tier.min_share * passed_s - max(0.0, held_s - ahead_s)
            self.owed_s[tier.name] = self.owed_s.get(tier.name, 0.0) + max(0.0, missing_s)

    def _fall_due(self, tier: Tier, share: float, passed_s: float, *, pressed: bool) -> None:
        if share < tier.min_share:
            self.short_s[tier.name] = self.short_s.get(tier.name, 0.0) + passed_s
            if self.short_s[tier.name] >= tier.promise_s:
                self.due.add(tier.name)
            return
        self.short_s[tier.name] = 0.0
        if not pressed:
            self.due.discard(tier.name)

    def affords(self, tier: Tier, price_s: float) -> int:
        """Tasks at `price_s` each that the debt pays for. It never exceeds a minute of the tier's
        minimum share beside the one task that it saves up for."""
        owed_s = self.owed_s.get(tier.name, 0.0)
        if price_s <= 0 or owed_s <= 0:
            return 0
        self.owed_s[tier.name] = min(owed_s, MOST_OWED_S * tier.min_share + price_s)
        return int(self.owed_s[tier.name] / price_s + 1e-9)

    def pay(self, tier: str, price_s: float) -> None:
        self.owed_s[tier] = max(0.0, self.owed_s.get(tier, 0.0) - price_s)
        self.paid_s[tier] = self.paid_s.get(tier, 0.0) + price_s


def price_s(group: Group, total: Amount, runtime_s: float) -> float:
    """What one task of the group, which takes so long, costs the fleet in fleet-seconds."""
    return allocation(group).share(total) * min(runtime_s, MOST_PRICED_S)
