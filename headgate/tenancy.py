"""Who shares the fleet, and by what right."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headgate.job import Name, TenantName
from headgate.value import Value


class Tier(Value):
    """A class of urgency. Lower ranks go first, strictly, save for each tier's minimum share."""

    name: Name
    rank: int = Field(ge=0)
    min_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="of the fleet, so that nothing starves for ever; "
        "before the first tier only after as long as `promise_s` on less",
    )
    promise_s: float = Field(
        gt=0, description="the wait that the tier is promised; sizes the leak window"
    )
    mode: Literal["safe", "cost"] = "cost"  #: what the estimate leans to
    preemptible: bool = False


class Quota(Value):
    """What a tenant may hold at once, with all that are below it. What is left out is unbounded."""

    vcpu: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    memory_mib: int | None = Field(default=None, ge=0)
    gpus: int | None = Field(default=None, ge=0)
    usd_hour: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class Tenant(Value):
    """An organisation, a team or a user. Weights are relative to the siblings under one parent.

    Without a `parent`, a name such as `physics/lab/ada` stands below `physics/lab`.
    """

    name: TenantName
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    parent: TenantName | None = None
    quota: Quota | None = None
    borrow: bool = Field(
        default=True, description="may pass its quota while siblings leave theirs idle"
    )
    max_running: int | None = Field(default=None, ge=0, description="tasks in flight at once")
    max_starts_per_minute: int | None = Field(default=None, ge=0)


DEFAULT_TENANT = "default"
DEFAULT_TIERS = (
    Tier(name="production", rank=0, promise_s=30, mode="safe"),
    Tier(name="interactive", rank=1, min_share=0.05, promise_s=120, mode="safe"),
    Tier(name="sweep", rank=2, min_share=0.05, promise_s=3600, mode="cost", preemptible=True),
)
