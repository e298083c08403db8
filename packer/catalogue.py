"""Where tasks can go: instance types that can be had, and bins that are there already."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from headgate.resources import Resources

Purchase = Literal["ON_DEMAND", "SPOT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a demand may insist on; the memory is that of one GPU."""

    arch: str = "x86_64"
    gpu_model: str | None = None
    gpu_memory_mib: int = 0
    purchase: Purchase = "ON_DEMAND"
    interruption_per_hour: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceType(Traits):
    """A kind of instance that can be started: `capacity` is what tasks may allocate on one.

    A type without a price is never started. `limit` is the most new instances of it.
    """

    name: str
    capacity: Resources
    price_usd_hour: float | None
    limit: int | None = None

    @property
    def key(self) -> str:
        """The name that placements use: the EC2 name, with `:SPOT` behind it on the Spot market."""
        return self.name if self.purchase == "ON_DEMAND" else f"{self.name}:{self.purchase}"

    def on_spot(self, price_usd_hour: float, interruption_per_hour: float) -> InstanceType:
        """The same type on the Spot market."""
        return replace(
            self,
            purchase="SPOT",
            price_usd_hour=price_usd_hour,
            interruption_per_hour=interruption_per_hour,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin(Traits):
    """Free room on something that runs and is paid for already.

    `capacity` is its room when empty (None: what is free is all), so that a task that only has to
    wait is told apart from one that can never fit. `ends_in_s`: how long it stays; tasks that are
    predicted to run longer do not go there.
    """

    key: str
    free: Resources
    capacity: Resources | None = None
    ends_in_s: float | None = None
