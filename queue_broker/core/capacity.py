"""What the lanes have free, and when they will have more. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headgate.resources import Resources
from packer.catalogue import Bin, InstanceType
from queue_broker.records import Lane, Leak


@dataclass(frozen=True, slots=True)
class LaneLoad:
    """A lane with what it holds now. `ends` are predicted: (seconds from now, what comes free)."""

    lane: Lane
    used: Resources
    waiting_s: float
    ends: tuple[tuple[float, Resources], ...]

    @property
    def total(self) -> Resources:
        return self.lane.shape * self.lane.instances

    @property
    def free(self) -> Resources:
        return self.total - self.used


@dataclass(frozen=True, slots=True)
class Reservation:
    """The room kept for the head of the queue: where, from when, and what it will not need then."""

    lane: str
    in_s: float
    spare: Resources


def load(lane: Lane, leaks: Sequence[Leak], now_s: float) -> LaneLoad:
    """What a lane holds, from the open leaks: the store's truth, not the engine's guess."""
    total = lane.shape * lane.instances
    used, waiting_s = Resources(), 0.0
    ends: list[tuple[float, Resources]] = []
    for leak in leaks:
        if leak.lane != lane.name:
            continue
        count = len(leak.open)
        used += leak.allocation * count
        not_started = count - len(leak.running)
        runtime_s = leak.estimate.runtime_s.p50 if leak.estimate else 60.0
        waiting_s += leak.allocation.dominant_share(total) * runtime_s * not_started
        ends.append((remaining_s(leak, now_s), leak.allocation * count))
    return LaneLoad(lane, used, waiting_s, tuple(sorted(ends)))


def remaining_s(leak: Leak, now_s: float) -> float:
    """Predicted seconds until a leak's tasks end; past a quantile, the next one counts."""
    elapsed = now_s - leak.created_at_s
    if leak.estimate is None:
        return max(60.0 - elapsed, elapsed)
    for quantile in (leak.estimate.runtime_s.p50, leak.estimate.runtime_s.p95):
        if elapsed < quantile:
            return quantile - elapsed
    return max(1.0, elapsed / 2)


def hosts(load: LaneLoad) -> tuple[list[Bin], list[InstanceType]]:
    """A lane as the packer sees it: the instance that is partly used, and those that are empty.

    Within a lane ECS places the tasks, so that only the sum is known; it is taken as packed
    tightly. If ECS does worse, tasks wait in STARTING, the start delay grows, and the window
    closes.
    """
    lane = load.lane
    busy = whole_instances(load)
    traits = {
        "arch": lane.arch,
        "gpu_model": lane.gpu_model,
        "gpu_memory_mib": lane.gpu_memory_mib or 0,
    }
    bins = []
    if busy or lane.instances == 1:
        free = lane.shape * max(busy, 1) - load.used
        bins = [Bin(key=lane.name, free=free, capacity=lane.shape, **traits)]  # type: ignore[arg-type]
    empty = lane.instances - max(busy, 1 if lane.instances == 1 else 0)
    if empty <= 0:
        return bins, []
    price = lane.price_usd_hour
    kind = InstanceType(
        name=lane.name,
        capacity=lane.shape,
        price_usd_hour=price,
        limit=empty,
        **traits,  # type: ignore[arg-type]
    )
    return bins, [kind]


def whole_instances(load: LaneLoad) -> int:
    """Instances that the used resources fill at the least."""
    share = load.used.dominant_share(load.lane.shape)
    return min(load.lane.instances, -int(-share // 1))


def reserve(head: Resources, loads: Sequence[LaneLoad]) -> Reservation | None:
    """Where and when the head of the queue will fit first (EASY backfilling, Lifka 1995)."""
    found = [option for load in loads if (option := reserve_in(head, load))]
    return min(found, key=lambda option: (option.in_s, option.lane), default=None)


def reserve_in(head: Resources, load: LaneLoad) -> Reservation | None:
    if load.lane.closed or not head.fits(load.lane.shape):
        return None
    free = load.free
    for in_s, freed in ((0.0, Resources()), *load.ends):
        free += freed
        if head.fits(free):
            return Reservation(load.lane.name, in_s, free - head)
    return None
