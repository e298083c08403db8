"""First fit, decreasing: the answer that is always there.

Works on groups of hosts that are filled alike, so that its time depends on shapes and not on tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from packer.problem import UNLIMITED, Bools, Ints, Problem, ints

#: Demands, and how many tasks of each.
Filling = tuple[Ints, Ints]


@dataclass(slots=True)
class Part:
    """Instances of a row that change alike: by how many tasks of which demands, each of them."""

    row: int
    instances: int
    change: dict[int, int]


class Groups:
    """Hosts in use, in the order they were opened; hosts filled alike are one row.

    The contents of the first `shared` rows belong to other groups too, and are copied before they
    are changed.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.contents: list[dict[int, int]] = []
        self.shared = 0
        self.held = np.zeros(len(problem.count), dtype=np.int64)
        # Columns: what is left (three), host, instances; grown by doubling, since groups are many.
        self.rows_made = np.zeros((16, 5), dtype=np.int64)

    @property
    def left(self) -> Ints:
        """What each group's instances have left, as a view."""
        return self.rows_made[: len(self.contents), :3]

    @property
    def host(self) -> Ints:
        return self.rows_made[: len(self.contents), 3]

    @property
    def instances(self) -> Ints:
        return self.rows_made[: len(self.contents), 4]

    def rows(self) -> Iterator[tuple[int, int, dict[int, int]]]:
        """Host, instances and contents of each group that holds something."""
        for host, instances, contents in zip(self.host, self.instances, self.contents, strict=True):
            if contents:
                yield int(host), int(instances), contents

    def row(self, row: int) -> tuple[int, int, Ints, Ints]:
        """Host, instances, demands and tasks of each of them."""
        contents = self.contents[row]
        demands, tasks = ints(list(contents)), ints(list(contents.values()))
        return int(self.host[row]), int(self.instances[row]), demands, tasks

    def without(self, rows: Iterable[int]) -> Groups:
        """A copy that lacks some rows."""
        gone = sorted(rows)
        answer = self.all_but(gone, self.held.copy())
        for row in gone:
            _, instances, demands, tasks = self.row(row)
            answer.held[demands] -= tasks * instances
        return answer

    def all_but(self, rows: list[int], held: Ints) -> Groups:
        """A copy that lacks some rows, and holds so many tasks of each demand then."""
        answer = Groups(self.problem)
        kept = np.delete(np.arange(len(self.contents)), ints(rows))
        answer.rows_made = np.concatenate([self.rows_made[kept], np.zeros((16, 5), dtype=np.int64)])
        answer.contents = [self.contents[row] for row in kept.tolist()]
        answer.shared = len(kept)
        answer.held = held
        return answer

    def less_one(self, rows: Sequence[int]) -> Groups:
        """A copy that lacks one instance of each of these rows."""
        answer = self.without([row for row in rows if self.instances[row] == 1])
        for row in rows:
            if self.instances[row] > 1:
                at = row - sum(other < row and self.instances[other] == 1 for other in rows)
                answer.instances[at] -= 1
                _, _, demands, tasks = self.row(row)
                answer.held[demands] -= tasks
        return answer

    def under(self, problem: Problem) -> Groups:
        """A copy for a problem with other counts, and perhaps more demands behind the known."""
        answer = self.without(())
        answer.problem = problem
        answer.held = np.zeros(len(problem.count), dtype=np.int64)
        answer.held[: len(self.held)] = self.held
        return answer

    def put(self, host: int, instances: int, contents: dict[int, int]) -> None:
        """Open hosts filled with given contents."""
        demands, tasks = ints(list(contents)), ints(list(contents.values()))
        self.append(host, instances, self.problem.room[host] - self.used(demands, tasks), contents)
        self.held[demands] += tasks * instances

    def exchange(self, parts: Iterable[Part], lost: list[int], held: Ints) -> Groups:
        """A copy with parts of rows in the place of the rows that are lost, and what it holds then;
        parts with nothing on them are left out."""
        answer = self.all_but(lost, held)
        for part in parts:
            contents = dict(self.contents[part.row])
            for demand, tasks in part.change.items():
                contents[demand] = contents.get(demand, 0) + tasks
                if not contents[demand]:
                    del contents[demand]
            if contents:
                used = self.used(ints(list(part.change)), ints(list(part.change.values())))
                left = self.left[part.row] - used
                answer.append(int(self.host[part.row]), part.instances, left, contents)
        return answer

    def used(self, demands: Ints, tasks: Ints) -> Ints:
        """What these tasks take of an instance."""
        answer: Ints = tasks @ self.problem.need[demands]
        return answer

    def buy(self, host: int, wanted: int, filled: Filling, left: Ints) -> None:
        """Open up to `wanted` hosts, each filled so as far as there are tasks; takes them off
        `left`."""
        demands, tasks = filled
        while wanted > 0:
            tasks = np.minimum(tasks, left[demands])
            demands, tasks = demands[tasks > 0], tasks[tasks > 0]
            if not len(demands):
                return
            instances = min(wanted, int((left[demands] // tasks).min()))
            self.put(host, instances, dict(zip(demands.tolist(), tasks.tolist(), strict=True)))
            left[demands] -= tasks * instances
            wanted -= instances

    def open(self, host: int, instances: int) -> int:
        return self.append(host, instances, self.problem.room[host], {})

    def append(self, host: int, instances: int, left: Ints, contents: dict[int, int]) -> int:
        at = len(self.contents)
        if at == len(self.rows_made):
            self.rows_made = np.concatenate([self.rows_made, np.zeros_like(self.rows_made)])
        self.rows_made[at, :3] = left
        self.rows_made[at, 3:] = host, instances
        self.contents.append(contents)
        return at

    def move(self, group: int, host: int) -> None:
        """Give the group's contents another host, which must take them."""
        self.left[group] += self.problem.room[host] - self.problem.room[self.host[group]]
        self.host[group] = host

    def split(self, group: int, instances: int) -> int:
        """Set `instances` of a group apart, as a group that is filled the same so far."""
        self.instances[group] -= instances
        contents = dict(self.contents[group])
        return self.append(int(self.host[group]), instances, self.left[group].copy(), contents)

    def add(self, group: int, demand: int, tasks: int) -> None:
        """Put so many tasks on each instance of the group."""
        self.left[group] -= self.problem.need[demand] * tasks
        self.held[demand] += tasks * self.instances[group]
        if group < self.shared:
            self.contents[group] = dict(self.contents[group])
        contents = self.contents[group]
        contents[demand] = contents.get(demand, 0) + tasks

    def place(self, demand: int, count: int, since: int = 0) -> int:
        """First fit of `count` tasks into the groups from `since` on; returns how many found no
        room."""
        groups = since + self.with_room(demand, since)
        room = fitting(self.problem, demand, self.left[groups], self.host[groups])
        if self.problem.cap[demand] < UNLIMITED:  # some may be here already
            here = ints([self.contents[group].get(demand, 0) for group in groups])
            room = np.minimum(room, np.maximum(self.problem.cap[demand] - here, 0))
        for group, most in zip(groups.tolist(), room.tolist(), strict=True):
            if count == 0:
                break
            count -= self.fill(group, demand, most, count) if most else 0
        return count

    def with_room(self, demand: int, since: int) -> Ints:
        """Which groups from `since` on have room for a task, as far as its size goes."""
        left = self.left[since:]
        could = np.ones(len(left), dtype=bool)
        for part, need in enumerate(self.problem.need[demand].tolist()):
            if need:
                could &= left[:, part] >= need
        return np.flatnonzero(could)

    def placed(self) -> Ints:
        """How many tasks of each demand are somewhere."""
        return self.held.copy()

    def cost(self) -> float:
        """USD an hour for the new instances."""
        return float(self.problem.price[self.host] @ self.instances)

    def fill(self, group: int, demand: int, most: int, count: int) -> int:
        """Up to `most` tasks on each of the group's instances in turn; returns how many went in."""
        full = min(count // most, int(self.instances[group]))
        rest = min(count - full * most, most) if full < self.instances[group] else 0
        if full:
            into = group if full == self.instances[group] else self.split(group, full)
            self.add(into, demand, most)
        if rest:
            into = group if self.instances[group] == 1 else self.split(group, 1)
            self.add(into, demand, rest)
        return full * most + rest

    def join(self, others: Groups) -> None:
        """Take over all groups of another."""
        mine, theirs = len(self.contents), len(others.contents)
        made = (self.rows_made[:mine], others.rows_made[:theirs], np.zeros((16, 5), dtype=np.int64))
        self.rows_made = np.concatenate(made)
        self.contents += others.contents
        self.held += others.held
        self.shared, others.shared = len(self.contents), theirs


def fitting(problem: Problem, demand: int, left: Ints, host: Ints) -> Ints:
    """How many tasks of the demand each row of `left` still takes."""
    need = problem.need[demand]
    used = np.flatnonzero(need)
    room: Ints = (left[:, used] // need[used]).min(axis=1)
    room = np.minimum(room, problem.cap[demand])
    return np.where(problem.allowed[demand, host], room, 0)


class Supply:
    """What may still be started once the groups' hosts are taken."""

    def __init__(self, groups: Groups) -> None:
        rest = groups.problem.after(groups.host, groups.instances, groups.problem.count)
        self.problem, self.limit, self.quota = groups.problem, rest.limit, rest.quota
        self.can = self.startable()

    def startable(self) -> Bools:
        problem = self.problem
        return problem.is_new & (self.limit > 0) & (problem.room[:, 0] <= self.quota)

    def cheapest(self, room: Ints, count: int) -> int | None:
        """The host whose price for each of up to `count` tasks is least; ties go to the first."""
        can = self.can & (room > 0)
        if not can.any():
            return None
        tasks = np.minimum(np.maximum(room, 1), count)
        return int(np.argmin(np.where(can, self.problem.price / tasks, np.inf)))

    def take(self, host: int, wanted: int) -> int:
        """Start up to `wanted` instances; returns how many the limit and the quota allow."""
        vcpu = float(self.problem.room[host, 0])
        bounded = np.isfinite(self.quota)
        within_quota = self.quota // vcpu if vcpu and bounded else wanted
        started = int(min(wanted, self.limit[host], within_quota))
        self.limit[host] -= started
        self.quota -= started * vcpu
        if bounded or self.limit[host] <= 0:
            self.can = self.startable()
        return started


def first_fit(problem: Problem) -> Groups:
    """Each demand in order: into what is open, then into new instances of what is cheapest for
    it."""
    groups = Groups(problem)
    for host in np.flatnonzero(~problem.is_new):
        groups.open(int(host), 1)
    complete(groups, problem.count)
    return groups


def complete(groups: Groups, count: Ints, order: Ints | None = None) -> None:
    """First fit of `count` further tasks of each demand, into groups and then into new instances;
    in the problem's order, or in another."""
    supply = Supply(groups)
    for demand in np.flatnonzero(count) if order is None else order[count[order] > 0]:
        left = groups.place(int(demand), int(count[demand]))
        if left:
            start(groups, supply, int(demand), left)


def start(groups: Groups, supply: Supply, demand: int, count: int) -> None:
    """New instances for `count` tasks, as far as the supply goes."""
    problem = groups.problem
    room = fitting(problem, demand, problem.room, np.arange(len(problem.hosts)))
    while count:
        host = supply.cheapest(room, count)
        if host is None:
            return
        tasks = min(int(room[host]), count)
        instances = supply.take(host, count // tasks)
        groups.add(groups.open(host, instances), demand, tasks)
        count -= instances * tasks
