"""Who shares the fleet, and by what right."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headgate.job import Name, TenantName, Value


class Tier(Value):
    """A class of urgency. Lower ranks go first, strictly, save for each tier's minimum share."""

    name: Name
    rank: int = Field(ge=0)
    min_share: float = Field(
        default=0.0, ge=0, le=1, description="of the fleet, so that nothing starves for ever"
    )
    promise_s: float = Field(
        gt=0, description="the wait that the tier is promised; sizes the leak window"
    )
    mode: Literal["safe", "cost"] = "cost"  #: what the estimate leans to
    preemptible: bool = False


class Tenant(Value):
    """A team or a user. Weights are relative to the siblings under one parent."""

    name: TenantName
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    parent: TenantName | None = None


DEFAULT_TENANT = "default"
DEFAULT_TIERS = (
    Tier(name="production", rank=0, promise_s=30, mode="safe"),
    Tier(name="interactive", rank=1, min_share=0.05, promise_s=120, mode="safe"),
    Tier(name="sweep", rank=2, min_share=0.05, promise_s=3600, mode="cost", preemptible=True),
)
