"""How to pack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

#: What to minimise: USD an hour now, or USD until the last task ends.
Objective = Literal["rate", "money"]


@dataclass(frozen=True, slots=True)
class PackOptions:
    """The deadline is kept: what is found by then is the answer, first-fit-decreasing at the least.

    A plan no further above its bound than `enough`, a fraction, is not looked to be bettered.
    `vcpu_quota` bounds the vCPUs of new instances; `licences` says how many seats each pool has
    free.
    """

    deadline_s: float = 1.0
    enough: float = 0.0005
    objective: Objective = "rate"
    seed: int = 0
    vcpu_quota: float | None = None
    licences: Mapping[str, int] = field(default_factory=dict)
