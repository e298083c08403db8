"""What a plan leaves behind for the plan of the next cycle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from packer.first_fit import Groups
from packer.problem import UNLIMITED, Problem, ints
from packer.proof import Prices, Proof
from packer.relax import proven_by


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """A plan's packing and what was learnt on the way; plans share it, so it is never changed.

    `index` says where in the problem a key is, `prices` what a milli-vCPU, a MiB and a GPU are
    worth on each type; `fresh_gap` is the gap of the last plan on the way here that was made
    afresh.
    """

    groups: Groups
    index: Mapping[str, int]
    proofs: tuple[Proof, ...]
    prices: Mapping[str, Prices]
    fresh_gap: float

    @property
    def problem(self) -> Problem:
        return self.groups.problem

    def best_proof(self) -> Proof:
        """The one that proves most of the counts that there are now."""
        nothing = Proof(np.zeros(len(self.problem.count)))
        return max((nothing, *self.proofs), key=lambda proof: proof.bound(self.problem.count))

    def bound(self) -> float:
        return self.best_proof().bound(self.problem.count)


def index_of(problem: Problem) -> dict[str, int]:
    return {demand.key: k for k, demand in enumerate(problem.demands)}


def moved(memory: Memory, problem: Problem) -> Memory:
    """The memory in terms of another problem: the bins first-fit, and of the plan's new instances
    those that are legal there."""
    groups = Groups(problem)
    for host in np.flatnonzero(~problem.is_new).tolist():
        groups.open(host, 1)
    if len(groups.host):
        for demand, tasks in enumerate(problem.count.tolist()):
            groups.place(demand, tasks)
    index = index_of(problem)
    for host, instances, contents in translated(memory, problem, index):
        if legal(problem, host, contents):
            groups.put(host, min(instances, affordable(groups, host)), contents)
    proofs = (proven_by(problem, memory.prices),)
    return Memory(groups, index, proofs, memory.prices, memory.fresh_gap)


def translated(
    memory: Memory, problem: Problem, index: Mapping[str, int]
) -> Iterator[tuple[int, int, dict[int, int]]]:
    """Host, instances and contents of the plan's new instances, as far as they are known there."""
    before = memory.problem
    hosts = {host.key: h for h, host in enumerate(problem.hosts) if problem.is_new[h]}
    host_of = [hosts.get(host.key) for host in before.hosts]
    demand_of = [index.get(demand.key) for demand in before.demands]
    for old, instances, old_contents in memory.groups.rows():
        host = host_of[old] if before.is_new[old] else None
        known = {demand_of[k]: tasks for k, tasks in old_contents.items()}
        contents = {k: tasks for k, tasks in known.items() if k is not None}
        if host is not None and contents:
            yield host, instances, contents


def legal(problem: Problem, host: int, contents: dict[int, int]) -> bool:
    """Whether a filling keeps every rule: shapes and constraints may have changed."""
    demands, tasks = list(contents), ints(list(contents.values()))
    return bool(
        problem.allowed[demands, host].all()
        and (tasks @ problem.need[demands] <= problem.room[host]).all()
        and (tasks <= problem.cap[demands]).all()
    )


def affordable(groups: Groups, host: int) -> int:
    """How many more instances limit and quota allow."""
    problem = groups.problem
    if problem.limit[host] >= UNLIMITED and np.isinf(problem.quota):
        return UNLIMITED
    rest = problem.after(groups.host, groups.instances, problem.count)
    within = rest.quota // max(1, int(rest.room[host, 0])) if np.isfinite(rest.quota) else UNLIMITED
    return int(max(0, min(rest.limit[host], within)))
