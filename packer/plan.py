"""What the packer answers: who goes where, what it costs, and how far from the best that can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from packer.catalogue import Bin, InstanceType
from packer.demand import Demand
from packer.options import PackOptions

if TYPE_CHECKING:
    from packer.memory import Memory


class Reason(StrEnum):
    """Why a task has no place."""

    INVALID = "invalid"  #: the demand itself makes no sense: a zero or negative shape or count
    CONTRADICTION = "contradiction"  #: its constraints exclude each other
    NO_CAPACITY = "no_capacity"  #: neither bins nor instance types were given
    TOO_BIG = "too_big"  #: larger than everything that could hold it
    ARCH = "arch"  #: nothing of this architecture is large enough
    GPU_MODEL = "gpu_model"  #: nothing with this GPU model is large enough
    GPU_MEMORY = "gpu_memory"  #: no GPU has so much memory
    ON_DEMAND = "on_demand"  #: it may not run on Spot, and there is nothing else
    NO_PRICE = "no_price"  #: what could hold it has no price
    NO_ROOM = "no_room"  #: it would fit when what runs there now is gone
    TYPE_LIMIT = "type_limit"  #: no more instances of what could hold it may be started
    VCPU_QUOTA = "vcpu_quota"  #: the quota of vCPUs is used up
    LICENCE = "licence"  #: no seat is left


@dataclass(frozen=True, slots=True)
class Unplaced:
    """Tasks without a place; `detail` names the constraint with what was needed and what there
    is."""

    key: str
    count: int
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Placement:
    """`instances` hosts that are filled alike: `contents` is tasks of each demand on one of them.

    `host` is a bin's key, or where `is_new` an `InstanceType.key`.
    """

    host: str
    is_new: bool
    instances: int
    contents: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """The question that a plan answers."""

    demands: tuple[Demand, ...]
    bins: tuple[Bin, ...]
    catalogue: tuple[InstanceType, ...]
    options: PackOptions


@dataclass(frozen=True, slots=True)
class Plan:
    """A legal packing with its cost, and a proven lower bound on any packing of the same tasks.

    `cost_usd` is the price of the instances until their last tasks end, where the plan was made for
    money; its bound is not known then. `asked` is what the plan answers, and `memory` what it
    learnt: with them, the plan is the warm start of the next.
    """

    placements: tuple[Placement, ...]
    unplaced: tuple[Unplaced, ...]
    cost_usd_hour: float
    bound_usd_hour: float
    solver: str
    seconds: float
    cost_usd: float | None = None
    asked: Asked | None = field(default=None, repr=False, compare=False)
    memory: Memory | None = field(default=None, repr=False, compare=False)

    @property
    def gap(self) -> float:
        """How far above the bound the cost is, as a fraction of the bound; 0 where all is free."""
        if self.cost_usd_hour <= self.bound_usd_hour:
            return 0.0
        return self.cost_usd_hour / self.bound_usd_hour - 1 if self.bound_usd_hour else 1.0

    def placed(self) -> dict[str, int]:
        """How many tasks of each demand have a place."""
        counts: dict[str, int] = {}
        for placement in self.placements:
            for key, tasks in placement.contents.items():
                counts[key] = counts.get(key, 0) + tasks * placement.instances
        return counts
