"""Heads of lanes' own queues that no instance has room for. Pure.

A task that needs most of an instance may be sent where only the sum of the scraps would hold it:
ECS places others than was foreseen (`holes.py`), or it was not yet known who runs where. Then it
keeps the queue shut until an instance happens to be empty. Once the engine says on which instance
each task runs, such a head is found out: one of the first tier gets the room of an instance, whose
tasks are stopped where that loses least; another goes back to the broker as soon as the first tier
needs the lane.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from queue_broker.core.ledger import Entry, LaneUse
from queue_broker.core.rooms import Room, instances, least
from queue_broker.core.victims import Scene, Victim, could_go_again
from queue_broker.records import Tasks

#: A head is not stuck before so much more time than its lane takes to start tasks has passed.
PATIENCE_S = 5.0


class Head(NamedTuple):
    """Of a lane, the task that is next in its queue, and the instances, none with room for it."""

    place: int
    entry: Entry
    rooms: list[Room]


def heads(full: Collection[str], scene: Scene) -> list[Head]:
    """The stuck heads of the lanes that are `full`: all their instances run."""
    found = []
    for place, lane in enumerate(scene.yard.lanes):
        use = scene.ledger.lanes.get(lane.name)
        if use and use.starting and lane.instances > 1 and lane.queues and lane.name in full:
            head = head_of(place, use, scene)
            if head is not None:
                found.append(head)
    return found


def head_of(place: int, use: LaneUse, scene: Scene) -> Head | None:
    """The head, if the sum of the scraps would hold it and no instance does."""
    lane = scene.yard.lanes[place]
    left = scene.yard.wholes[place].plus(use.ran, -1)
    if not any(each.within(left) for each in use.alike):
        return None
    entry = next(entry for entry in use.entries.values() if entry.open > entry.running)
    since_s = entry.leak.handed_over_at_s
    patience_s = scene.delays_s.get(lane.name, 0.0) + PATIENCE_S
    if since_s is None or scene.now_s - since_s <= patience_s or not entry.bare.within(left):
        return None
    rooms = list(instances(place, scene, seated=False).values())
    has_room = not rooms or any(entry.bare.within(room.free) for room in rooms)
    return None if has_room else Head(place, entry, rooms)


def cheapest(head: Head) -> tuple[Victim, ...]:
    """Whose end gives the head an instance, where that loses least; nobody, where none could."""
    return least(room.offer(head.entry.bare) for room in head.rooms) or ()


def waiting(head: Head, scene: Scene) -> Tasks:
    """What of the head's leak can go back to the broker."""
    leak = head.entry.leak
    return could_go_again(leak, head.place, scene) - leak.running


def is_behind(head: Head, tier: str, scene: Scene) -> bool:
    """Whether tasks of a tier wait in the head's lane."""
    use = scene.ledger.lanes[scene.yard.lanes[head.place].name]
    return any(
        entry.open > entry.running and entry.leak.tier == tier for entry in use.entries.values()
    )
