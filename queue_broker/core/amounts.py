"""What is held and offered, in whole numbers, so that sums are exact in whatever order they come.

Money counts as the fourth resource: what a task's part of its instance costs an hour.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from headgate.resources import Resources
from headgate.tenancy import Quota

MILLI = 1_000
NANO = 1_000_000_000
#: What an amount is where nothing bounds it.
UNBOUNDED = 2**62


class Amount(NamedTuple):
    """Thousandths of a vCPU, MiB, GPUs, and billionths of a dollar an hour."""

    mcpu: int = 0
    mib: int = 0
    gpus: int = 0
    nusd: int = 0

    def plus(self, other: Amount, times: int = 1) -> Amount:
        """This and `times` of the other (which may be negative)."""
        a, b, c, d = self
        e, f, g, h = other
        # Past the keywords of the class: sums are made a hundred times a task.
        return tuple.__new__(Amount, (a + e * times, b + f * times, c + g * times, d + h * times))

    def within(self, other: Amount) -> bool:
        a, b, c, d = self
        e, f, g, h = other
        return a <= e and b <= f and c <= g and d <= h

    def times_into(self, room: Amount, most: int) -> int:
        """How many of this fit into `room` side by side, `most` at the most."""
        for need, have in zip(self, room, strict=True):
            if need > 0 and need * most > have:
                most = max(0, have // need)
        return most

    def share(self, total: Amount) -> float:
        """The dominant share: the largest fraction of `total` of any one resource (DRF)."""
        mcpu, mib, gpus, nusd = total
        most = self.mcpu / mcpu if mcpu > 0 else 0.0
        if mib > 0 and self.mib / mib > most:
            most = self.mib / mib
        if gpus > 0 and self.gpus / gpus > most:
            most = self.gpus / gpus
        if nusd > 0 and self.nusd / nusd > most:
            most = self.nusd / nusd
        return most

    @property
    def bare(self) -> Amount:
        """The same without the money: what has to fit on an instance."""
        return Amount(self.mcpu, self.mib, self.gpus)


NOTHING = Amount()


@lru_cache(maxsize=4096)
def amount(resources: Resources) -> Amount:
    return Amount(round(resources.vcpu * MILLI), resources.memory_mib, resources.gpus)


def resources(of: Amount) -> Resources:
    return Resources(of.mcpu / MILLI, of.mib, of.gpus)


@lru_cache(maxsize=65_536)
def priced(given: Resources, shape: Resources, price_usd_hour: float) -> Amount:
    """What a task holds on an instance of `shape`: its dominant part of it is what it costs."""
    share = given.dominant_share(shape)
    return amount(given)._replace(nusd=round(price_usd_hour * share * NANO))


def bound(quota: Quota | None) -> Amount:
    """A quota as the most that may be held; without one, anything."""
    quota = quota or Quota()

    def of(value: float | None, scale: int) -> int:
        return UNBOUNDED if value is None else round(value * scale)

    return Amount(
        of(quota.vcpu, MILLI), of(quota.memory_mib, 1), of(quota.gpus, 1), of(quota.usd_hour, NANO)
    )
