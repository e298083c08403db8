"""The Spot market: cheap, and taken away at times."""

from __future__ import annotations

import math

from packer.catalogue import InstanceType

HOUR_S = 3600.0


def expected_stretch(interruption_per_hour: float, runtime_s: float) -> float:
    """How many times its runtime a task takes on Spot, all begun attempts counted in.

    Interruptions come by a Poisson process and the task starts anew after each: the expected time
    is (e^(h r) - 1) / h for hazard h and runtime r (for example Ross, Introduction to Probability
    Models).
    """
    hazard = interruption_per_hour * runtime_s / HOUR_S
    return 1.0 if hazard < 1e-9 else math.expm1(min(hazard, 50.0)) / hazard


def worth_spot(runtime_s: float | None, spot: InstanceType, on_demand_price: float | None) -> bool:
    """Whether a task is expected to cost no more on Spot than on demand; unknown runtimes may
    try."""
    if not runtime_s or not on_demand_price or spot.price_usd_hour is None:
        return True
    stretch = expected_stretch(spot.interruption_per_hour, runtime_s)
    return spot.price_usd_hour * stretch <= on_demand_price
