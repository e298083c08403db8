"""First fit, decreasing: the answer that is always there.

Works on groups of hosts that are filled alike, so that its time depends on shapes and not on tasks.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from packer.problem import UNLIMITED, Ints, Problem, ints


class Groups:
    """Hosts in use, in the order they were opened; hosts filled alike are one row."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.contents: list[dict[int, int]] = []
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

    def put(self, host: int, instances: int, contents: dict[int, int]) -> None:
        """Open hosts filled with given contents."""
        demands, tasks = list(contents), list(contents.values())
        used = np.array(tasks, dtype=np.int64) @ self.problem.need[demands]
        self.append(host, instances, self.problem.room[host] - used, contents)

    def buy(self, host: int, wanted: int, filled: Ints, left: Ints) -> None:
        """Open up to `wanted` hosts, each filled so as far as there are tasks; takes them off
        `left`."""
        while wanted > 0:
            filled = np.minimum(filled, left)
            there = np.flatnonzero(filled)
            if not len(there):
                return
            instances = min(wanted, int((left[there] // filled[there]).min()))
            contents = dict(zip(there.tolist(), filled[there].tolist(), strict=True))
            self.put(host, instances, contents)
            left -= filled * instances
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

    def split(self, group: int, instances: int) -> int:
        """Set `instances` of a group apart, as a group that is filled the same so far."""
        self.instances[group] -= instances
        contents = dict(self.contents[group])
        return self.append(int(self.host[group]), instances, self.left[group].copy(), contents)

    def add(self, group: int, demand: int, tasks: int) -> None:
        """Put so many tasks on each instance of the group."""
        self.left[group] -= self.problem.need[demand] * tasks
        contents = self.contents[group]
        contents[demand] = contents.get(demand, 0) + tasks

    def place(self, demand: int, count: int) -> int:
        """First fit of `count` tasks; returns how many found no room."""
        room = fitting(self.problem, demand, self.left, self.host)
        if self.problem.cap[demand] < UNLIMITED:  # some may be here already
            here = ints([contents.get(demand, 0) for contents in self.contents])
            room = np.minimum(room, np.maximum(self.problem.cap[demand] - here, 0))
        for group in np.flatnonzero(room):
            if count == 0:
                break
            count -= self.fill(int(group), demand, int(room[group]), count)
        return count

    def placed(self) -> Ints:
        """How many tasks of each demand are somewhere."""
        answer = np.zeros(len(self.problem.count), dtype=np.int64)
        for _, instances, contents in self.rows():
            answer[list(contents)] += np.array(list(contents.values())) * instances
        return answer

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

    def cheapest(self, room: Ints, count: int) -> int | None:
        """The host whose price for each of up to `count` tasks is least; ties go to the first."""
        can = (
            self.problem.is_new
            & (room > 0)
            & (self.limit > 0)
            & (self.problem.room[:, 0] <= self.quota)
        )
        if not can.any():
            return None
        tasks = np.minimum(np.maximum(room, 1), count)
        return int(np.argmin(np.where(can, self.problem.price / tasks, np.inf)))

    def take(self, host: int, wanted: int) -> int:
        """Start up to `wanted` instances; returns how many the limit and the quota allow."""
        vcpu = float(self.problem.room[host, 0])
        within_quota = self.quota // vcpu if vcpu and np.isfinite(self.quota) else wanted
        started = int(min(wanted, self.limit[host], within_quota))
        self.limit[host] -= started
        self.quota -= started * vcpu
        return started


def first_fit(problem: Problem) -> Groups:
    """Each demand in order: into what is open, then into new instances of what is cheapest for
    it."""
    groups = Groups(problem)
    for host in np.flatnonzero(~problem.is_new):
        groups.open(int(host), 1)
    complete(groups, problem.count)
    return groups


def complete(groups: Groups, count: Ints) -> None:
    """First fit of `count` further tasks of each demand into groups that hold none of it yet."""
    supply = Supply(groups)
    for demand in np.flatnonzero(count):
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
