"""From places to intents: which indexes go to which lane, in calls as Batch takes them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from queue_broker.core.demands import given
from queue_broker.records import Group, GroupId, Intent

#: An AWS Batch array takes 2 to 10,000 children.
MAX_LEAK = 10_000

#: Tasks by group and lane.
Placed = Mapping[tuple[GroupId, str], int]


def to_intents(placed: Placed, groups: Mapping[GroupId, Group]) -> tuple[Intent, ...]:
    """Intents by group and lane in the order they were placed, the lowest indexes first."""
    return tuple(each_intent(placed, groups))


def each_intent(placed: Placed, groups: Mapping[GroupId, Group]) -> Iterator[Intent]:
    taken: dict[GroupId, int] = {}
    for (group_id, lane), tasks in placed.items():
        group = groups[group_id]
        first = taken.get(group_id, 0)
        taken[group_id] = first + tasks
        for start in range(first, first + tasks, MAX_LEAK):
            stop = min(start + MAX_LEAK, first + tasks)
            whole = stop - start == len(group.waiting)
            indexes = group.waiting if whole else group.waiting[start:stop]
            yield Intent(group_id, group.version, indexes, lane, given(group), group.dropped)
