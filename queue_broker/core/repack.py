"""What has to be started anew, packed as a whole. Pure.

The turns chose lanes one after the other, each the cheapest for its own tasks. Together they may
fill other instances better; the packer sees them all, and its plan is taken where it is cheaper.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from packer.options import PackOptions
from packer.pack import pack
from packer.plan import Placement
from queue_broker.core.capacity import Board, instances_filled
from queue_broker.core.demands import to_demand, to_type
from queue_broker.records import Group, GroupId

#: A pass has no time for more; first fit is there at once. No plan within 1 % of its bound is
#: looked to be bettered.
HASTY = PackOptions(deadline_s=0.05, enough=0.01)
#: Where so much is to be started at once, a better plan saves more than the wait for it costs:
#: of hundreds of groups on dozens of lanes, first fit's is 9 to 17 % dearer than that of 0.1 s.
AT_STAKE_USD_HOUR = 500.0
THOROUGH = PackOptions(deadline_s=0.25, enough=0.01)


@dataclass(frozen=True, slots=True)
class Cold:
    """What a decision put on instances that do not run yet: `cold` by group and lane, which is part
    of `placed`. `calls` is how many pairs of group and lane it may use."""

    board: Board
    groups: Mapping[GroupId, Group]
    cold: Mapping[tuple[GroupId, int], int]
    placed: dict[tuple[GroupId, str], int]
    calls: int

    def cost_usd_hour(self) -> float:
        after = instances_filled(self.board.used, self.board.yard.one)
        prices = np.array([lane.price_usd_hour for lane in self.board.yard.lanes])
        return float(prices @ np.maximum(after - self.board.ready, 0))


def repack(cold: Cold) -> None:
    """Change `placed` where the packer places as much for less money."""
    wanted: dict[GroupId, int] = defaultdict(int)
    for (group_id, _), tasks in cold.cold.items():
        wanted[group_id] += tasks
    demands = [
        to_demand(cold.groups[group_id], tasks, cold.board.yard.lanes, str(group_id))
        for group_id, tasks in wanted.items()
    ]
    types = [
        to_type(cold.board.yard.lanes[place], limit)
        for place in map(int, np.flatnonzero(cold.board.open))
        if (limit := int(cold.board.yard.instances[place] - cold.board.ready[place])) > 0
    ]
    cost = cold.cost_usd_hour()
    options = THOROUGH if cost >= AT_STAKE_USD_HOUR else HASTY
    plan = pack(demands, catalogue=types, options=options)
    moved = by_pair(plan.placements, {kind.key: kind.name for kind in types})
    cheaper = plan.cost_usd_hour < cost - 1e-9
    if cheaper and not plan.unplaced and len(moved) <= cold.calls:
        move(cold, moved)


def by_pair(
    placements: Sequence[Placement], lanes: Mapping[str, str]
) -> dict[tuple[GroupId, str], int]:
    moved: dict[tuple[GroupId, str], int] = defaultdict(int)
    for placement in placements:
        for key, tasks in placement.contents.items():
            moved[GroupId(int(key)), lanes[placement.host]] += tasks * placement.instances
    return moved


def move(cold: Cold, moved: Mapping[tuple[GroupId, str], int]) -> None:
    for (group_id, place), tasks in cold.cold.items():
        seat = (group_id, cold.board.yard.lanes[place].name)
        cold.placed[seat] -= tasks
        if not cold.placed[seat]:
            del cold.placed[seat]
    for seat, tasks in sorted(moved.items()):
        cold.placed[seat] = cold.placed.get(seat, 0) + tasks
