"""The Spot market: cheap, and taken away at times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from packer.catalogue import Bin, InstanceType

Floats = npt.NDArray[np.float64]

HOUR_S = 3600.0


def expected_stretch(interruption_per_hour: Floats | float, runtime_s: Floats | float) -> Floats:
    """How many times its runtime a task takes on Spot, all begun attempts counted in.

    Interruptions come by a Poisson process and the task starts anew after each: the expected time
    is (e^(h r) - 1) / h for hazard h and runtime r (for example Ross, Introduction to Probability
    Models).
    """
    hazard = np.asarray(interruption_per_hour * np.asarray(runtime_s) / HOUR_S, dtype=np.float64)
    stretch = np.expm1(np.minimum(hazard, 50.0)) / np.maximum(hazard, 1e-9)
    return np.where(hazard < 1e-9, 1.0, stretch)


class SpotMarket:
    """Which of some hosts are on the Spot market, and for whom it is worth it."""

    def __init__(self, hosts: Sequence[Bin | InstanceType]) -> None:
        on_demand = {
            host.name: host.price_usd_hour
            for host in hosts
            if isinstance(host, InstanceType) and host.purchase == "ON_DEMAND"
        }
        self.is_spot = np.array([host.purchase == "SPOT" for host in hosts], dtype=bool)
        self.exists = bool(self.is_spot.any())
        self.interruptions = np.array([host.interruption_per_hour for host in hosts])
        offers = [offer(host, on_demand) for host in hosts]
        self.price, self.rival = np.array(offers, dtype=np.float64).reshape(-1, 2).T

    def worth_it(self, runtime_s: float | None) -> npt.NDArray[np.bool_]:
        """Where a task is expected to cost no more than on demand: a long one may be interrupted
        too often. A task of unknown runtime may try."""
        if not runtime_s:
            return np.ones(len(self.is_spot), dtype=bool)
        answer = self.price * expected_stretch(self.interruptions, runtime_s) <= self.rival
        return np.asarray(answer | ~self.is_spot)


def offer(host: Bin | InstanceType, on_demand: dict[str, float | None]) -> tuple[float, float]:
    """Its price and that of the same type on demand. Bins are paid for, and what has no price on
    demand beside it has no rival."""
    if not isinstance(host, InstanceType):
        return 0.0, np.inf
    return host.price_usd_hour or 0.0, on_demand.get(host.name) or np.inf
