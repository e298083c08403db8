"""What jobs hold beside their instance: licences, connections, calls of an API. Pure.

AWS Batch calls them consumable resources, and keeps a job that finds none waiting at the head of
its queue, with all others behind it. So such a job waits here, where it is in nobody's way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from headgate.errors import InvalidInput
from headgate.job import Job
from queue_broker.nodes import CONSUMABLES, NODE_PROPERTIES, listed, nodes_of
from queue_broker.records import Group, Leak

#: Of a resource on the shelf, and as ARNs have it.
KIND = "consumable-resource"
REPLENISHABLE = "REPLENISHABLE"
NOTHING: Mapping[str, int] = {}


class Stock(NamedTuple):
    """How much there is: in all, of what a task gives back; else of what nobody has used yet."""

    quantity: int
    returns: bool = True


#: By name; of what is not in it nobody here knows how much there is.
Stocks = Mapping[str, Stock]
#: Says it of some.
Count = Callable[[Collection[str]], Stocks]


def needs_of(work: Group | Leak) -> Mapping[str, int]:
    """How much of each a task holds, by name; a multi-node job as much as all of its nodes. What
    makes no sense came past the checks, and nobody asked for it."""
    batch = work.job.batch
    if CONSUMABLES not in batch and NODE_PROPERTIES not in batch:
        return NOTHING
    with suppress(ValueError):
        return Counter(listed(batch.get(CONSUMABLES, {}))) + of_nodes(work)
    return NOTHING


def of_nodes(work: Group | Leak) -> Counter[str]:
    total: Counter[str] = Counter()
    if nodes := nodes_of(work):
        for index in range(nodes.count):
            total.update(nodes.range_of(index).consumables)
    return total


def check_needs(job: Job) -> None:
    """`InvalidInput` where a job that is submitted asks for what makes no sense."""
    try:
        listed(job.batch.get(CONSUMABLES, {}))
    except ValueError as error:
        raise InvalidInput(f"batch.{error}") from None


def needed(groups: Iterable[Group]) -> Collection[str]:
    """All that is asked for."""
    return {name for group in groups for name in needs_of(group)}


def why_short(name: str, stock: Stock) -> str:
    if not stock.quantity:
        return f"consumable resource {name}: there is none"
    return f"consumable resource {name}: all {stock.quantity:,} are in use"


def uncounted(names: Collection[str]) -> Stocks:
    """Where nobody counts, nothing is short."""
    del names
    return {}
