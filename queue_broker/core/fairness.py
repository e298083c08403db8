"""Whose turn it is: tiers strictly, then tenants by weighted dominant share. Pure."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from queue_broker.core.amounts import NOTHING, UNBOUNDED, Amount, amount, bound
from queue_broker.core.demands import given
from queue_broker.core.hints import hints_of
from queue_broker.core.ledger import Held
from queue_broker.core.tenant_tree import Tree
from queue_broker.core.whole import goes_whole
from queue_broker.records import Group, GroupId

#: So many seconds in the queue weigh as much as one point of priority.
AGEING_S = 3600.0
#: A turn moves a tenant's share by this part of the fleet at the most.
QUANTUM = 0.01


#: The groups of one tier that wait, by tenant.
Waiting = Mapping[str, Sequence[Group]]


class Turn(NamedTuple):
    """Some tasks of a group that may go now, each holding so much; `debt` marks a minimum share's
    turn. Of a `gang` all start at once or none; all tasks that go `whole` go to one lane. (A tuple:
    on a fleet that fills up hundreds are made for each that finds room.)"""

    group: Group
    tasks: int
    each: Amount
    debt: bool = False
    gang: bool = False
    whole: bool = False


@dataclass(slots=True)
class Past:
    """Each tenant's average dominant share, older seconds weighing less: half after `half_life_s`.

    Who had little lately goes before who had much; a half-life of 0 looks at the moment alone.
    """

    half_life_s: float = 600.0
    average: dict[tuple[str, str], float] = field(default_factory=dict)

    def pass_time(
        self, held: Mapping[tuple[str, str], Held], total: Amount, passed_s: float
    ) -> None:
        if passed_s <= 0 or self.half_life_s <= 0:
            return
        keep = math.exp2(-passed_s / self.half_life_s)
        for whose in [*self.average, *(new for new in held if new not in self.average)]:
            now = held[whose].amount.share(total) if whose in held else 0.0
            average = self.average.get(whose, 0.0) * keep + now * (1 - keep)
            if average < 1e-7 and not now:
                self.average.pop(whose, None)
            else:
                self.average[whose] = average


def allocation(group: Group) -> Amount:
    return amount(given(group))


class Node:
    """A tenant as one tier sees it: what it and all below it hold, and who has work."""

    __slots__ = (
        "average",
        "children",
        "groups",
        "heap",
        "held",
        "name",
        "quota",
        "sorted",
        "weight",
    )

    def __init__(self, name: str, weight: float, quota: Amount | None) -> None:
        self.name = name
        self.weight = weight
        self.quota = quota
        self.held = NOTHING
        self.average = 0.0
        self.children: dict[str, Node] = {}
        self.heap: list[tuple[tuple[bool, float], str]] = []
        self.groups: list[Group] = []  #: the next one last, once they are sorted
        self.sorted = False

    def standing(self, total: Amount) -> tuple[bool, float]:
        """Who borrows beyond its quota goes after those who do not; then the weighted share."""
        borrows = self.quota is not None and not self.held.within(self.quota)
        return borrows, (self.held.share(total) + self.average) / self.weight

    def foremost(self, standing: Standing) -> Group:
        """The next of its own groups. They are sorted when the first is asked for: most tenants'
        turn does not come in every pass."""
        if not self.sorted:
            # The last goes first: a list is shortened at its end.
            self.groups.sort(key=standing.seniority, reverse=True)
            self.sorted = True
        return self.groups[-1]


class Order:
    """Progressive filling (DRF, Ghodsi et al. 2011), level by level down the tenants' tree.

    `next` says who goes; `took` must follow, and says how many went. A group that got less than its
    turn is done with for this pass, so the cost is one step a turn and a group.
    """

    def __init__(self, standing: Standing) -> None:
        self.standing = standing
        self.total = standing.total
        self.left = standing.left
        self.root = Node("", 1.0, None)
        self.path: list[Node] = []
        self.alone = True  #: whether nobody else on the path's way has work
        self.stays = False  #: whether the path is still that of the next turn

    @classmethod
    def of(cls, standing: Standing, tier: str, waiting: Waiting) -> Order:
        """The order of one tier's groups."""
        order = cls(standing)
        for tenant, groups in waiting.items():
            order.leaf(standing.tree, tenant).groups = list(groups)
        averages = {who: mean for (of, who), mean in standing.past.average.items() if of == tier}
        having = {who: one.amount for (of, who), one in standing.held.items() if of == tier}
        for who in sorted({*averages, *having}):
            held, average = having.get(who, NOTHING), averages.get(who, 0.0)
            for node in order.known(standing.tree, who):
                node.held = node.held.plus(held)
                node.average += average
        order.build(order.root)
        return order

    def leaf(self, tree: Tree, tenant: str) -> Node:
        """Where a tenant's own work hangs (not its children's), with all nodes on the way."""
        node = self.root
        for name in (*tree.path(tenant), ""):
            below = node.children.get(name)
            if below is None:
                known = tree.known.get(name)
                quota = bound(known.quota) if known and known.quota else None
                below = node.children[name] = Node(name, known.weight if known else 1.0, quota)
            node = below
        return node

    def known(self, tree: Tree, tenant: str) -> Iterator[Node]:
        """The nodes on the way to a tenant as far as somebody's with work goes the same way: what
        others hold moves nobody's turn."""
        node: Node | None = self.root
        for name in (*tree.path(tenant), ""):
            if node is None:
                return
            yield node
            node = node.children.get(name)
        if node is not None:
            yield node

    def build(self, node: Node) -> bool:
        """Heaps of those who have work, bottom up; whether there is any."""
        working = [child for child in node.children.values() if self.build(child)]
        node.heap = [(child.standing(self.total), child.name) for child in working]
        heapq.heapify(node.heap)
        return bool(working or node.groups)

    def next(self) -> Turn | None:
        """The next turn, or None when nobody has work left. Where nobody else has any, a turn is
        all of a group: there is nobody to take turns with."""
        if not self.stays:
            self.descend()
        node = self.path[-1]
        if not node.groups:
            return None
        group = node.foremost(self.standing)
        each, left = self.standing.each(group), self.standing.left_of(group)
        gang = bool(group.job.tags) and hints_of(group.job).gang
        whole = self.standing.by_shim and goes_whole(group)
        most = left if gang or whole or self.alone else min(quantum(each, self.total), left)
        return Turn(group, most, each, gang=gang, whole=whole)

    def descend(self) -> None:
        """Find the way to the foremost tenant."""
        node, self.path, self.alone = self.root, [self.root], True
        while node.heap:
            self.alone = self.alone and len(node.heap) == 1
            node = node.children[node.heap[0][1]]
            self.path.append(node)

    def pass_over(self, refused: Callable[[Group], bool], most: int) -> list[Group]:
        """After a turn without a place: up to `most` of the groups that would come next, as far as
        they are refused too. Their turns are over as if each had come."""
        groups, passed = self.path[-1].groups, list[Group]()
        while self.stays and len(groups) > 1 and len(passed) < most and refused(groups[-1]):
            passed.append(groups.pop())
        return passed

    def took(self, turn: Turn, tasks: int) -> None:
        """So many of the turn's tasks went."""
        left = self.standing.left_of(turn.group) - tasks
        groups = self.path[-1].groups
        if tasks < turn.tasks or not left:
            groups.pop()
        # While nobody holds more than before, the order stays.
        self.stays = bool(groups) and not tasks
        if self.stays:
            return
        if tasks:
            self.left[turn.group.group_id] = left
        for node in self.path if tasks else ():
            node.held = node.held.plus(turn.each, tasks)
        for above, node in zip(self.path[-2::-1], self.path[:0:-1], strict=True):
            if node.heap or node.groups:
                heapq.heapreplace(above.heap, (node.standing(self.total), node.name))
            else:
                heapq.heappop(above.heap)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the order rests on. `left` counts what has not gone yet of each group of which some
    tasks have, or of which not all may go."""

    total: Amount
    tree: Tree
    held: Mapping[tuple[str, str], Held]
    past: Past
    left: dict[GroupId, int]
    now_s: float = 0.0
    urgent_s: Mapping[str, float] = field(default_factory=dict)  #: by tier: its promise
    each: Callable[[Group], Amount] = allocation  #: what one task holds
    by_shim: bool = False  #: whether lanes tell a part of an array its indexes by the shim alone

    def left_of(self, group: Group) -> int:
        left = self.left.get(group.group_id)
        return len(group.waiting) if left is None else left

    def seniority(self, group: Group) -> tuple[float, float, int]:
        """A total order within a tenant: nearing deadlines, then priority with age, then number.

        Age counts as priority by the hour, which as a key needs no clock: everybody ages alike.
        """
        deadline_s = math.inf
        if group.job.tags:
            asked_s = hints_of(group.job).start_by_s
            if asked_s is not None and asked_s - self.now_s <= self.urgent_s.get(group.tier, 60.0):
                deadline_s = asked_s
        return deadline_s, group.queued_at_s / AGEING_S - group.priority, group.group_id


@lru_cache(maxsize=4096)
def quantum(each: Amount, total: Amount) -> int:
    """Tasks that move a share by a hundredth of the fleet, money aside: cost follows the fleet, not
    the backlog."""
    share_of_one = each.bare.share(total)
    return max(1, int(QUANTUM / share_of_one)) if share_of_one > 0 else UNBOUNDED


def by_tier(groups: Iterable[Group]) -> dict[str, dict[str, list[Group]]]:
    """The groups by tier and tenant."""
    sorted_: dict[str, dict[str, list[Group]]] = defaultdict(lambda: defaultdict(list))
    for group in groups:
        sorted_[group.tier][group.tenant].append(group)
    return sorted_
