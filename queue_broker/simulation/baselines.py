"""Other schedulers' policies, from their documentation.

- AWS Batch, job queues: FIFO within a queue; a queue of higher priority is evaluated first.
- AWS Batch, fair-share scheduling policies: `shareDecaySeconds`, `weightFactor`, vCPU-seconds.
- Slurm, Multifactor Priority Plugin (age, fair-share with half-life, QOS).
- Kueue, fair sharing in a cohort: dominant resource share above the nominal quota, BestEffortFIFO.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from headgate.resources import Resources
from queue_broker.core.amounts import Amount, amount
from queue_broker.simulation.direct import Class, Policy

TIER_RANK = {"production": 0, "interactive": 1, "sweep": 2}


@dataclass(slots=True)
class Fifo:
    """AWS Batch with one FIFO queue for everybody; `queues`: one for each tier, with priorities."""

    queues: bool = False
    name: str = field(init=False)
    blocks: bool = True

    def __post_init__(self) -> None:
        self.name = "batch-fifo-priorities" if self.queues else "batch-fifo"

    def pick(self, waiting: list[Class], now_s: float) -> Class:
        del now_s
        if self.queues:
            return min(waiting, key=lambda one: (rank(one), one.rows[0]))
        return min(waiting, key=first_row)

    def started(self, one: Class, now_s: float) -> None:
        """FIFO keeps no account."""

    def ended(self, one: Class, now_s: float) -> None:
        """FIFO keeps no account."""


def first_row(one: Class) -> int:
    return one.rows[0]


def rank(one: Class) -> int:
    return TIER_RANK.get(one.tier, 1)


@dataclass(slots=True)
class Used:
    """What an owner holds, and vCPU-seconds that decay."""

    held: Amount = Amount()  # noqa: RUF009
    running_mcpu: int = 0
    past: float = 0.0
    at_s: float = 0.0

    def settle(self, now_s: float, half_life_s: float) -> float:
        """Decay what was, and add what ran meanwhile."""
        passed_s = now_s - self.at_s
        if passed_s > 0:
            keep = math.exp2(-passed_s / half_life_s)
            self.past = self.past * keep + self.running_mcpu / 1000 * half_life_s * (1 - keep) / (
                math.log(2)
            )
            self.at_s = now_s
        return self.past


class Accounts:
    """What each owner holds and has used."""

    def __init__(self, weights: Mapping[str, float], half_life_s: float) -> None:
        self.weights = weights
        self.half_life_s = half_life_s
        self.of: dict[str, Used] = {}

    def used(self, owner: str) -> Used:
        found = self.of.get(owner)
        if found is None:
            found = self.of[owner] = Used()
        return found

    def weight(self, owner: str) -> float:
        return self.weights.get(owner, 1.0)

    def change(self, one: Class, now_s: float, sign: int) -> None:
        used = self.used(one.owner)
        used.settle(now_s, self.half_life_s)
        used.running_mcpu += sign * one.need.mcpu
        used.held = used.held.plus(one.need, sign)


class Accounted:
    """A policy that keeps its owners' accounts as tasks start and end."""

    __slots__ = ()
    accounts: Accounts

    def started(self, one: Class, now_s: float) -> None:
        self.accounts.change(one, now_s, +1)

    def ended(self, one: Class, now_s: float) -> None:
        self.accounts.change(one, now_s, -1)


@dataclass(slots=True)
class BatchFairShare(Accounted):
    """AWS Batch's fair share: the owner with the least decayed vCPU-seconds by weight goes next;
    the scheduling priority orders within an owner. A head without room blocks the queue."""

    weights: Mapping[str, float] = field(default_factory=dict)
    decay_s: float = 600.0
    name: str = "batch-fair-share"
    blocks: bool = True
    accounts: Accounts = field(init=False)

    def __post_init__(self) -> None:
        self.accounts = Accounts(self.weights, self.decay_s)

    def pick(self, waiting: list[Class], now_s: float) -> Class:
        accounts = self.accounts

        def order(one: Class) -> tuple[float, int, int]:
            used = accounts.used(one.owner)
            by_weight = used.settle(now_s, self.decay_s) + used.running_mcpu / 1000
            return by_weight / accounts.weight(one.owner), rank(one), one.rows[0]

        return min(waiting, key=order)


@dataclass(slots=True)
class Multifactor(Accounted):
    """Slurm: age (full after 7 days), fair share 2^(-usage/shares) with a half-life of 7 days, QOS
    by tier. Whoever fits may pass a head without room; with tasks of one vCPU that is EASY's
    answer too, since a slot that the head cannot use delays nobody."""

    weights: Mapping[str, float] = field(default_factory=dict)
    name: str = "slurm-multifactor"
    blocks: bool = False
    half_life_s: float = 7 * 86_400.0
    age_weight: float = 1_000.0
    share_weight: float = 10_000.0
    qos_weight: float = 10_000.0
    accounts: Accounts = field(init=False)

    def __post_init__(self) -> None:
        self.accounts = Accounts(self.weights, self.half_life_s)

    def pick(self, waiting: list[Class], now_s: float) -> Class:
        owners = {one.owner for one in waiting}
        total = sum(used.settle(now_s, self.half_life_s) for used in self.accounts.of.values())
        shares = sum(self.accounts.weight(owner) for owner in self.accounts.of) or 1.0
        factor = {
            owner: 2.0
            ** -(
                (self.accounts.used(owner).past / total if total else 0.0)
                / (self.accounts.weight(owner) / shares)
            )
            for owner in owners
        }

        def order(one: Class) -> tuple[float, int]:
            age = min(1.0, (now_s - one.since_s) / (7 * 86_400.0))
            qos = 1.0 - rank(one) / 2
            points = self.age_weight * age + self.share_weight * factor[one.owner]
            return -(points + self.qos_weight * qos), one.rows[0]

        return min(waiting, key=order)


@dataclass(slots=True)
class KueueCohort(Accounted):
    """Kueue: each owner is a ClusterQueue of one cohort, with its weight's part of the fleet as its
    nominal quota; who is below it goes first, then the least dominant share above it by weight.
    A queue's workloads go by priority class (the tier), then age; one without room is passed."""

    total: Resources
    weights: Mapping[str, float] = field(default_factory=dict)
    owners: int = 1
    name: str = "kueue-cohort"
    blocks: bool = False
    accounts: Accounts = field(init=False)

    def __post_init__(self) -> None:
        self.accounts = Accounts(self.weights, 1.0)

    def pick(self, waiting: list[Class], now_s: float) -> Class:
        del now_s
        fleet, accounts = amount(self.total), self.accounts
        weights = sum(self.weights.values()) or float(self.owners)

        def order(one: Class) -> tuple[float, int, int]:
            weight = accounts.weight(one.owner)
            share = accounts.used(one.owner).held.share(fleet)
            above = max(0.0, share - weight / weights)
            return above / weight, rank(one), one.rows[0]

        return min(waiting, key=order)


@dataclass(slots=True)
class StrictPriority:
    """Strict tiers and nothing else: no shares, no window, no headroom, no preemption."""

    name: str = "strict-priority"
    blocks: bool = False

    def pick(self, waiting: list[Class], now_s: float) -> Class:
        del now_s
        return min(waiting, key=lambda one: (rank(one), one.rows[0]))

    def started(self, one: Class, now_s: float) -> None:
        """Strict priority keeps no account."""

    def ended(self, one: Class, now_s: float) -> None:
        """Strict priority keeps no account."""


#: By name; each makes a fresh policy for a fleet.
BASELINES: Mapping[str, Callable[[Resources, int], Policy]] = {
    "batch-fifo": lambda total, owners: Fifo(),
    "batch-fifo-priorities": lambda total, owners: Fifo(queues=True),
    "batch-fair-share": lambda total, owners: BatchFairShare(),
    "strict-priority": lambda total, owners: StrictPriority(),
    "slurm-multifactor": lambda total, owners: Multifactor(),
    "kueue-cohort": lambda total, owners: KueueCohort(total, owners=owners),
}
