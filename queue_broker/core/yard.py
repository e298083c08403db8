"""The lanes as arrays, and which of them suit a task: what stays from pass to pass. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import is_
from typing import Any

import numpy as np
import numpy.typing as npt

from packer.plan import Reason, Unplaced
from packer.triage import Host, suits, unplaceable
from packer.triage import words as shown
from queue_broker.core.amounts import Amount, amount, priced
from queue_broker.core.demands import could_hold, given, to_demand, traits_of
from queue_broker.nodes import Nodes, nodes_of
from queue_broker.records import FITS_NO_LANE, Group, GroupId, Lane

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Groups whose ranking is remembered from pass to pass.
MOST_REMEMBERED = 200_000
#: What the packer calls a task that is more than any lane has, or other. That there is no lane at
#: all is none of these: they may be on their way.
OF_SHAPE = {Reason.TOO_BIG, Reason.ARCH, Reason.GPU_MODEL, Reason.GPU_MEMORY}
NO_PLACES: Ints = np.zeros(0, dtype=np.int64)
#: What decides where a task can go: tasks with one key are interchangeable here.
Key = tuple[object, ...]


@dataclass(slots=True)
class Yard:
    """L lanes; `one` (L x 3) holds an instance's thousandths of a vCPU, MiB and GPUs."""

    lanes: tuple[Lane, ...]
    one: Ints
    instances: Ints
    fleet: Amount
    wholes: tuple[Amount, ...]  #: by lane: all its instances together
    places: dict[str, int]
    _rankings: dict[Key, Ranking] = field(default_factory=dict)
    _of_groups: dict[GroupId, Ranking] = field(default_factory=dict)
    _shares: dict[Amount, Floats] = field(default_factory=dict)
    _holds: dict[Amount, Ints] = field(default_factory=dict)

    @classmethod
    def of(cls, lanes: Sequence[Lane]) -> Yard:
        shapes = [amount(lane.shape)[:3] for lane in lanes]
        total = Amount()
        for lane in lanes:
            one = amount(lane.shape)._replace(nusd=round(lane.price_usd_hour * 1e9))
            total = total.plus(one, lane.instances)
        return cls(
            lanes=tuple(lanes),
            one=np.array(shapes, dtype=np.int64).reshape(len(lanes), 3),
            instances=np.array([lane.instances for lane in lanes], dtype=np.int64),
            fleet=total,
            wholes=tuple(Amount().plus(amount(lane.shape), lane.instances) for lane in lanes),
            places={lane.name: place for place, lane in enumerate(lanes)},
        )

    def renewed(self, lanes: Sequence[Lane]) -> Yard:
        """The yard of these lanes: this one, where no more than their state changed."""
        if len(lanes) == len(self.lanes) and all(map(alike, lanes, self.lanes)):
            return self
        return Yard.of(lanes)

    def shares(self, each: Amount) -> Floats:
        """A task's dominant share of each lane."""
        found = self._shares.get(each)
        if found is None:
            found = self._shares[each] = np.array([each.share(whole) for whole in self.wholes])
        return found

    def holds(self, each: Amount) -> Ints:
        """Tasks that an empty instance of each lane holds."""
        found = self._holds.get(each)
        if found is None:
            found = self._holds[each] = times(each, self.one.T)
        return found

    def rankings(self, groups: Iterable[Group]) -> list[Ranking]:
        known = self._of_groups.get
        return [known(group.group_id) or self.ranking(group) for group in groups]

    def ranking(self, group: Group) -> Ranking:
        """Where tasks of a group can go; groups of one shape have the same one. A group keeps its
        shape for life, so it is looked at once."""
        found = self._of_groups.get(group.group_id)
        if found is None:
            if len(self._of_groups) >= MOST_REMEMBERED:
                self._of_groups.clear()
            key = shape_key(group)
            found = self._rankings.get(key)
            if found is None:
                found = self._rankings[key] = rank(self.lanes, group)
            self._of_groups[group.group_id] = found
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The lanes that could ever hold such a task, the cheapest for it first; one for each shape.

    `priced` is what a task holds at the most, money included. `never` says why there is no lane.
    A task that takes `instances` as a whole holds so many `unit`s; all others one, of a part.
    """

    order: Ints
    each: Amount
    priced: Amount
    never: str = ""
    instances: int = 0

    @property
    def units(self) -> int:
        return max(self.instances, 1)

    @property
    def unit(self) -> Amount:
        """What it has to find on one instance, whichever others it takes."""
        return Amount(*(part // self.units for part in self.each))


def times(each: Amount, room: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """How often a task, which needs something, fits into each column of `room` (3 x L)."""
    counts = [have // need for need, have in zip(each, room, strict=False) if need]
    return reduce(np.minimum, counts)


def the_same(lanes: Sequence[Lane], others: Sequence[Lane]) -> bool:
    """The very same records, which is known at a glance."""
    return len(lanes) == len(others) and all(map(is_, lanes, others))


def alike(one: Lane, other: Lane) -> bool:
    return one is other or lasting(one) == lasting(other)


def lasting(lane: Lane) -> Lane:
    """The lane without what changes from pass to pass."""
    return replace(lane, running=None, closed=None, ended=())


def shape_key(group: Group) -> Key:
    asked, gpu = group.job.resources, group.estimate and group.estimate.least_gpu_mib
    nodes = nodes_of(group)
    each = nodes and (nodes.count, nodes.largest, nodes.instance_types)
    return given(group), gpu, asked.arch, asked.gpu_model, asked.gpu_memory_mib, each


def rank(lanes: Sequence[Lane], group: Group) -> Ranking:
    nodes = nodes_of(group)
    if nodes is not None and any(lane.apart for lane in lanes):
        return rank_apart(lanes, group, nodes)
    return rank_within(lanes, group)


def rank_apart(lanes: Sequence[Lane], group: Group, nodes: Nodes) -> Ranking:
    """A job of which each node takes an instance costs whole ones."""
    demand = replace(to_demand(group, 1, lanes), shape=nodes.largest)
    fitting = sorted(
        (lane.price_usd_hour, lane.shape, lane.name, place)
        for place, lane in enumerate(lanes)
        if could_hold(demand, lane.shape, traits_of(lane)) and takes(lane, nodes)
    )
    if not fitting:
        each = Amount().plus(amount(nodes.largest), nodes.count)
        return Ranking(NO_PLACES, each, each, never=why_never(nodes), instances=nodes.count)
    order = np.array([place for *_, place in fitting], dtype=np.int64)
    first, last = (whole(lanes[place], nodes.count) for place in (order[0], order[-1]))
    dearest = first._replace(nusd=last.nusd)
    return Ranking(order, first.bare, dearest, instances=nodes.count)


def takes(lane: Lane, nodes: Nodes) -> bool:
    """Whether a lane may have so many instances. AWS Batch has no nodes on Spot instances."""
    right_type = all(is_one(lane, kind) for kind in nodes.instance_types)
    on_demand = lane.purchase != "SPOT"
    return lane.apart and on_demand and right_type and lane.instances >= nodes.count


def is_one(lane: Lane, kind: str) -> bool:
    """Whether its instances are, or may be, of that type or family."""
    return kind == "optimal" or any(
        one == kind or one.startswith(f"{kind}.") for one in lane.instance_types
    )


def whole(lane: Lane, instances: int) -> Amount:
    """So many instances of a lane as a whole."""
    return Amount().plus(priced(lane.shape, lane.shape, lane.price_usd_hour), instances)


def why_never(nodes: Nodes) -> str:
    """For the owner of what waits."""
    each = "".join(f", of type {kind}" for kind in sorted(nodes.instance_types))
    lane = (
        f"one lane, on demand, of {nodes.count} instances or more with {shown(nodes.largest)}{each}"
    )
    return f"{FITS_NO_LANE}its {nodes.count} nodes need {lane}"


def rank_within(lanes: Sequence[Lane], group: Group) -> Ranking:
    """A lane costs a task its dominant part of an instance; among equals the tighter instance goes
    first, so that large ones stay whole for large tasks; then the name, which is a total order."""
    shape, demand = given(group), to_demand(group, 1, lanes)
    fitting = sorted(
        (priced(shape, lane.shape, lane.price_usd_hour).nusd, lane.shape, lane.name, place)
        for place, lane in enumerate(lanes)
        if shape.fits(lane.shape) and suits(demand, traits_of(lane))
    )
    if fitting:
        order = np.array([place for *_, place in fitting], dtype=np.int64)
        each = amount(shape)
        return Ranking(order, each, each._replace(nusd=fitting[-1][0]))
    hosts = [
        Host(lane.name, lane.shape, traits_of(lane), True, lane.price_usd_hour) for lane in lanes
    ]
    never = words(unplaceable(demand, hosts))
    return Ranking(NO_PLACES, amount(shape), amount(shape), never)


def words(refused: Unplaced | None) -> str:
    """Why no lane will ever do, for the owner of what waits."""
    if refused is None:
        return "no lane suits it"
    if refused.reason is Reason.NO_CAPACITY:
        return "there is no lane; `headgate lanes apply` makes them"
    return f"{FITS_NO_LANE if refused.reason in OF_SHAPE else ''}{refused.detail}"
