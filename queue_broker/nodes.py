"""The nodes of a multi-node parallel job, out of `nodeProperties` in AWS Batch's words. Pure.

Such a job is one task that runs all of its nodes on one lane: started together or not at all, tried
again together, and ended by its main node, as AWS documents it. On a lane of this machine they are
beside each other, and measured together; on AWS each has an instance of its own. What its nodes are
was settled when it was submitted, and stands in `Job.batch`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from headgate.resources import Resources
from queue_broker import containers
from queue_broker.records import Group, JobRecord, Leak

NODE_PROPERTIES = "nodeProperties"
INSTANCE_TYPES = "instanceTypes"
#: What a job, or each of some nodes, holds beside its instance.
CONSUMABLES, LISTED = "consumableResourceProperties", "consumableResourceList"
#: As AWS documents them: nodes of a job (there a default), and ranges of nodes that run the same.
MOST_NODES, MOST_RANGES = 1000, 5
TARGET = re.compile("([0-9]{0,9})(:?)([0-9]{0,9})")
LEGACY = (("VCPU", "vcpus"), ("MEMORY", "memory"))


@dataclass(frozen=True, slots=True)
class Range:
    """Nodes that run the same."""

    span: range
    container: Mapping[str, Any]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    asked: Mapping[str, float]  #: by VCPU, MEMORY, GPU, for each of the nodes
    beside: Mapping[str, Any] = field(default_factory=dict)  #: what else is said of them

    @classmethod
    def of(cls, given: Mapping[str, Any], count: int) -> Range:
        container = container_of(given)
        return cls(
            span=span(given["targetNodes"], count),
            container=container,
            command=tuple(map(str, container.get("command", ()))),
            environment={
                str(one["name"]): str(one.get("value", ""))
                for one in container.get("environment", ())
                if one.get("name")
            },
            asked=together(map(amounts, containers.every(with_container(given)))),
            beside={name: given[name] for name in (INSTANCE_TYPES, CONSUMABLES) if name in given},
        )

    @property
    def instance_types(self) -> tuple[str, ...]:
        """The only ones that will do; none: any. Tasks of ECS say it beside their containers."""
        inside = self.container.get("instanceType")
        return (*self.beside.get(INSTANCE_TYPES, ()), *([inside] if inside else []))

    @property
    def consumables(self) -> Mapping[str, int]:
        """What each of the nodes holds beside its instance, by name."""
        return listed(self.beside.get(CONSUMABLES, {}))

    @property
    def each(self) -> Resources:
        """What one of the nodes asks for."""
        found = self.asked.get
        return Resources(found("VCPU", 0.0), math.ceil(found("MEMORY", 0)), int(found("GPU", 0)))


@dataclass(frozen=True, slots=True)
class Nodes:
    """Of one job; `properties` is what they were read from."""

    properties: Mapping[str, Any]
    count: int
    main: int
    ranges: Sequence[Range]

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> Nodes:
        """`ValueError` with what is wrong, in words for whoever wrote it."""
        count, main = properties["numNodes"], properties["mainNode"]
        if not 1 <= count <= MOST_NODES:
            raise ValueError(f"numNodes: got {count}; allowed: 1 to {MOST_NODES:,}")
        if not 0 <= main < count:
            words = f"the index of one of the {count} nodes"
            raise ValueError(f"mainNode: got {main}; allowed: {words}")
        ranges = tuple(Range.of(one, count) for one in properties["nodeRangeProperties"])
        if missing := set(range(count)).difference(*(one.span for one in ranges)):
            got = f"nodeRangeProperties: got none for node {min(missing)}"
            raise ValueError(f"{got}; allowed: ranges that have every node, 0:{count - 1}")
        return cls(properties, count, main, ranges)

    def range_of(self, index: int) -> Range:
        """What a node runs: of ranges within ranges, the innermost says it."""
        mine = [one for one in self.ranges if index in one.span]
        return min(mine, key=lambda one: len(one.span))

    @property
    def largest(self) -> Resources:
        """What an instance has to have that is to hold any one of the nodes."""
        found = Resources()
        for one in self.ranges:
            found = found.largest(one.each)
        return found

    @property
    def instance_types(self) -> frozenset[str]:
        """The types that nodes want to run on; AWS gives all of them the same."""
        return frozenset(kind for one in self.ranges for kind in one.instance_types)

    def seat(self, index: int) -> int:
        """Where the engine keeps a node's log: the task's own place, 0, is its main node's."""
        return {self.main: 0, 0: self.main}.get(index, index)


def nodes_of(work: JobRecord | Group | Leak) -> Nodes | None:
    """None for all other jobs. What makes no sense came past SubmitJob, and nobody asked for it."""
    properties = work.job.batch.get(NODE_PROPERTIES)
    if properties is None or work.array:
        return None
    try:
        return Nodes.of(properties)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def listed(properties: Mapping[str, Any]) -> Mapping[str, int]:
    """Of `ConsumableResourceProperties`, by name: an ARN ends with it. `ValueError` in words for
    whoever wrote it."""
    found: Counter[str] = Counter()
    try:
        for one in properties.get(LISTED, ()):
            quantity = int(one["quantity"])
            if quantity < 0:
                raise ValueError(f"quantity: got {quantity}; allowed: 0 or more")
            found[str(one["consumableResource"]).rpartition("/")[2]] += quantity
    except (AttributeError, KeyError, TypeError) as error:
        words = f"a list of consumableResource and quantity, as {LISTED}"
        raise ValueError(f"{CONSUMABLES}: got {properties!r}; allowed: {words}") from error
    return found


def span(target: str, count: int) -> range:
    """The nodes that `2`, `2:4`, `:4` and `2:` mean, of so many."""
    found = TARGET.fullmatch(target)
    if found is None or not target:
        raise ValueError(
            f"targetNodes: got {target!r}; allowed: a node's index, or two and a colon"
        )
    first, colon, last = found.groups()
    start = int(first or 0)
    if not colon:
        return range(start, start + 1)
    return range(start, min(int(last) + 1, count) if last else count)


def container_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """A range's container, in the words of `containerProperties`."""
    return containers.of_definition(with_container(given))


def with_container(given: Mapping[str, Any]) -> dict[str, Any]:
    """A range in the words of a definition."""
    return {"containerProperties": given.get("container", {}), **given}


def together(asked: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The sums, by VCPU, MEMORY and GPU."""
    total: dict[str, float] = {}
    for one in asked:
        for kind, amount in one.items():
            total[kind] = total.get(kind, 0) + amount
    return total


def amounts(container: Mapping[str, Any]) -> dict[str, float]:
    """What a container asks for, by VCPU, MEMORY and GPU; absent where it says nothing."""
    return {one["type"]: amount(one["type"], one["value"]) for one in requirements(container)}


def requirements(container: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The same in the words of `resourceRequirements`, the older `vcpus` and `memory` too."""
    legacy = [
        {"type": kind, "value": str(container[key])} for kind, key in LEGACY if key in container
    ]
    return [*legacy, *container.get("resourceRequirements", ())]


def amount(kind: str, value: str) -> float:
    with suppress(ValueError):
        if 0 <= (found := float(value)) < math.inf:
            return found
    raise ValueError(f"{kind}: got {value!r}; allowed: a number, 0 or more")
