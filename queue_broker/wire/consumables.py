"""Consumable resources, kept by the broker where AWS does not stand behind it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from queue_broker.core.consumables import KIND, REPLENISHABLE, needs_of
from queue_broker.records import Document
from queue_broker.wire.attempts import ms
from queue_broker.wire.faults import refused
from queue_broker.wire.kept import create, every, existing, page
from queue_broker.wire.names import Place, name_of
from queue_broker.wire.service import Answer, Call, Wire

NAME, TOTAL = "consumableResourceName", "totalQuantity"


def create_resource(wire: Wire, call: Call) -> Answer:
    kind, total = call.get("resourceType", REPLENISHABLE), call.get(TOTAL, 0)
    if kind != REPLENISHABLE:
        words = f"{REPLENISHABLE}; what is used up for good is counted by AWS Batch alone"
        raise refused(f"resourceType: got {kind!r}; allowed: {words}")
    check_quantity(TOTAL, total)
    created = {TOTAL: total, "createdAt": ms(wire.wall()), "tags": call.get("tags", {})}
    create(wire.shelf, Document(KIND, call.get(NAME), created))
    return named(call.place, call.get(NAME))


def update_resource(wire: Wire, call: Call) -> Answer:
    found = existing(wire.shelf, KIND, call.get("consumableResource"), call.place)
    quantity, before = call.get("quantity", 0), found.body[TOTAL]
    check_quantity("quantity", quantity)
    totals = {"SET": quantity, "ADD": before + quantity, "REMOVE": before - quantity}
    wanted = call.get("operation", "SET")
    if wanted not in totals:
        raise refused(f"operation: got {wanted!r}; allowed: one of {', '.join(totals)}")
    check_quantity(TOTAL, totals[wanted])
    wire.shelf.put(replace(found, body=found.body | {TOTAL: totals[wanted]}))
    wire.changed()
    return named(call.place, found.name) | {TOTAL: totals[wanted]}


def check_quantity(member: str, quantity: int) -> None:
    if quantity < 0:
        raise refused(f"{member}: got {quantity}; allowed: 0 or more")


def delete_resource(wire: Wire, call: Call) -> Answer:
    """What asks for it waits from now on, and says for what."""
    found = wire.shelf.get(KIND, name_of(call.get("consumableResource"), KIND))
    if found is not None:
        wire.shelf.remove(found)
    return {}


def describe_resource(wire: Wire, call: Call) -> Answer:
    found = existing(wire.shelf, KIND, call.get("consumableResource"), call.place)
    used = in_use(wire)[found.name]
    left = {"availableQuantity": max(0, found.body[TOTAL] - used)}
    return summary(call.place, found, used) | left | found.body


def list_resources(wire: Wire, call: Call) -> Answer:
    used, wanted = in_use(wire), prefixes(call)
    found = [
        summary(call.place, one, used[one.name])
        for one in every(wire.shelf, KIND)
        if not wanted or any(one.name.startswith(start) for start in wanted)
    ]
    return page("consumableResources", found, call)


def prefixes(call: Call) -> list[str]:
    """Of the one filter that there is, by name; `*` at the end of a value is a beginning's."""
    found: list[str] = []
    for one in call.get("filters", ()):
        if one.get("name") != "CONSUMABLE_RESOURCE_NAME":
            raise refused(
                f"filters.name: got {one.get('name')!r}; allowed: CONSUMABLE_RESOURCE_NAME"
            )
        found += [str(value).removesuffix("*") for value in one.get("values", ())]
    return found


def in_use(wire: Wire) -> Counter[str]:
    """What tasks in flight hold: also those that start, since the gate counts them."""
    used: Counter[str] = Counter()
    for leak in wire.store.open_leaks():
        for name, quantity in needs_of(leak).items():
            used[name] += quantity * len(leak.open)
    return used


def summary(place: Place, found: Document, used: int) -> Answer:
    mine: dict[str, Any] = {TOTAL: found.body[TOTAL], "inUseQuantity": used}
    return named(place, found.name) | mine | {"resourceType": REPLENISHABLE}


def named(place: Place, name: str) -> Answer:
    return {NAME: name, "consumableResourceArn": place.arn(KIND, name)}
