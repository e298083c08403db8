"""What one instance of the lanes offers, and an estimate fitted to that. Pure.

Too few cores slow a task and do not kill it, so they are for the broker to choose: a task that
keeps 4.4 busy is given 5 or, a tenth slower, 4, of which four fill an instance of 16 where only
three of 5 would. What its slot costs an hour times how long it is held decides. Memory that comes
with those cores anyway is not saved by giving less: a task that is dear to lose gets it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from headgate.estimate import Estimate
from headgate.job import Job
from headgate.resources import Resources
from queue_broker.core.yard import the_same
from queue_broker.nodes import NODE_PROPERTIES
from queue_broker.records import Lane

#: A task is never made slower than so many times what its cores in the middle would let it.
MOST_SLOWED = 1.15
#: What AWS sells with a vCPU at least (EC2's compute-optimised types, Fargate's smallest tasks).
#: Less saves nothing that could be bought; what instances have beyond it, others are glad of.
SOLD_WITH_VCPU_MIB = 2048
#: Nor is a task given more than so many times what was foretold, as in a retry that knows nothing.
MOST_SPARE = 2
#: The least that an allocation of cores is changed by, where it need not be whole.
QUARTER = 0.25
#: Answers that are remembered; one is some hundred divisions.
MOST_REMEMBERED = 10_000


class Kind(NamedTuple):
    """One size of instance that some lane has."""

    shape: Resources
    price_usd_hour: float
    arch: str
    whole_vcpus: bool
    apart: bool

    def slot_usd_hour(self, vcpu: float, memory_mib: int) -> float:
        """What one task costs an hour on an instance that is full of its like."""
        by_cores = int(self.shape.vcpu / vcpu + 1e-9)
        by_memory = self.shape.memory_mib // max(memory_mib, 1)
        tasks = min(by_cores, by_memory)
        return self.price_usd_hour / tasks if tasks else math.inf


@dataclass(frozen=True, slots=True)
class Offer:
    """The sizes of instance that there are."""

    kinds: frozenset[Kind] = frozenset()
    largest: Resources = field(default_factory=Resources)  #: the most of each that one has
    mib_with_vcpu: float = 0.0  #: the memory that the leanest has beside each of its vCPUs
    _lanes: tuple[Lane, ...] = field(default=(), compare=False)
    _cores: dict[tuple[object, ...], float] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, lanes: Sequence[Lane]) -> Offer:
        kinds = frozenset(
            Kind(lane.shape, lane.price_usd_hour, lane.arch, lane.whole_vcpus, lane.apart)
            for lane in lanes
        )
        largest = Resources()
        for kind in kinds:
            largest = largest.largest(kind.shape)
        beside = [kind.shape.memory_mib / kind.shape.vcpu for kind in kinds if kind.shape.vcpu]
        return cls(kinds, largest, min(beside, default=0.0), tuple(lanes))

    def renewed(self, lanes: Sequence[Lane]) -> Offer:
        """The offer of these lanes: this one, where their sizes are the same."""
        if the_same(lanes, self._lanes):
            return self
        other = Offer.of(lanes)
        return self if other.kinds == self.kinds else other

    @property
    def whole_vcpus(self) -> bool:
        return any(kind.whole_vcpus for kind in self.kinds)

    def fit(self, estimate: Estimate, job: Job, is_dear: bool = False) -> Estimate:
        """The estimate, with an allocation that instances have and their engine takes.

        `is_dear` says that memory is spared less than lost attempts.
        """
        if NODE_PROPERTIES in job.batch and any(kind.apart for kind in self.kinds):
            return as_asked(estimate, job)
        given = self._within(estimate.allocation, job)
        vcpu = self._cores_of(given, estimate, job)
        memory_mib = self._memory_beside(vcpu, given, job) if is_dear else given.memory_mib
        allocation = Resources(vcpu, memory_mib, given.gpus)
        if allocation == estimate.allocation:
            return estimate
        return replace(estimate, allocation=allocation)

    def _within(self, given: Resources, job: Job) -> Resources:
        """A prediction beyond every instance is tried on the largest one. Not so where the user
        asked for more than there is, or there is nothing at all: that waits, with its reason."""
        asked, largest = job.resources, self.largest
        if largest == Resources():
            return given
        vcpu, memory_mib = given.vcpu, given.memory_mib
        if (asked.vcpu or 0) <= largest.vcpu:
            vcpu = min(vcpu, largest.vcpu)
        if (asked.memory_mib or 0) <= largest.memory_mib:
            memory_mib = min(memory_mib, largest.memory_mib)
        return Resources(vcpu, memory_mib, given.gpus)

    def _memory_beside(self, vcpu: float, given: Resources, job: Job) -> int:
        """No less than what comes with the cores, up to what was asked for. GPU tasks are left as
        they are: their instances have other proportions."""
        if given.gpus:
            return given.memory_mib
        beside = math.floor(vcpu * min(self.mib_with_vcpu, SOLD_WITH_VCPU_MIB))
        asked = job.resources.memory_mib or beside
        return max(given.memory_mib, min(beside, MOST_SPARE * given.memory_mib, asked))

    def _cores_of(self, given: Resources, estimate: Estimate, job: Job) -> float:
        """As many as given, in whole cores where the engine takes no others; fewer where the broker
        had chosen them itself and the bill is smaller for it."""
        whole = self.whole_vcpus
        most = math.ceil(given.vcpu - 1e-9) if whole else given.vcpu
        if given.gpus or given.vcpu == job.resources.vcpu:
            return float(most)
        busy = round(estimate.vcpu.p50, 2)
        key = (most, given.memory_mib, busy, job.resources.arch)
        found = self._cores.get(key)
        if found is None:
            if len(self._cores) >= MOST_REMEMBERED:
                self._cores.clear()
            found = self._cores[key] = self._cheapest(*key, 1.0 if whole else QUARTER)
        return found

    def _cheapest(
        self, most: float, memory_mib: int, busy: float, arch: str | None, step: float
    ) -> float:
        """The cores that cost least for all the time they are held; among equals, more of them."""
        kinds = [one for one in self.kinds if one.price_usd_hour > 0 and arch in (None, one.arch)]
        fewest = max(step, math.ceil(busy / MOST_SLOWED / step - 1e-9) * step)
        fewer = [most - step * n for n in range(int((most - fewest) / step + 1e-9) + 1)]

        def usd(vcpu: float) -> float:
            slot = min((kind.slot_usd_hour(vcpu, memory_mib) for kind in kinds), default=math.inf)
            return slot * max(1.0, busy / vcpu)

        return float(min([most, *fewer], key=lambda vcpu: (usd(vcpu), -vcpu)))


def as_asked(estimate: Estimate, job: Job) -> Estimate:
    """Each node has its instance for itself: with less than was asked for, nothing is spared."""
    asked = job.resources
    given = Resources(asked.vcpu or 0.0, asked.memory_mib or 0, asked.gpus or 0)
    return replace(estimate, allocation=given)
