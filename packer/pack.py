"""Demand and capacity in, plan out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from headgate.errors import InvalidInput
from packer.again import again, has_drifted
from packer.catalogue import Bin, InstanceType
from packer.deadline import Deadline
from packer.demand import Demand
from packer.first_fit import Groups
from packer.fresh import fresh
from packer.lifetime import by_lifetime, fewer, lifetimes
from packer.memory import Memory, index_of, moved
from packer.options import PackOptions
from packer.plan import Asked, Placement, Plan, Reason, Unplaced
from packer.problem import MILLI, UNLIMITED, Problem, compile_problem, price_of
from packer.recount import recounted
from packer.spot import HOUR_S
from packer.triage import hosts_of, placeable, sensible


def pack(
    demands: Sequence[Demand],
    *,
    bins: Sequence[Bin] = (),
    catalogue: Sequence[InstanceType] = (),
    options: PackOptions | None = None,
    warm: Plan | None = None,
) -> Plan:
    """Place what can be placed at least cost, free capacity first; the rest gets a typed reason.

    The same input gives the same plan. `warm` is the plan of the cycle before. Raises
    `InvalidInput` where keys are not unique; everything else that is wrong with a demand is its
    `Unplaced.reason`.
    """
    options = options or PackOptions()
    deadline = Deadline(options.deadline_s)
    asked = Asked(tuple(demands), tuple(bins), tuple(catalogue), options)
    if warm is not None and warm.asked == asked:
        return replace(warm, seconds=deadline.used())
    unique(asked)
    answer = remade(warm, asked) if warm and warm.memory else None
    if answer is None or has_drifted(answer.memory):
        answer = better(afresh(asked, deadline), answer)
    return planned(answer, asked, warm, deadline)


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes a plan: a packing with its proofs, what has no place at all, who packed."""

    memory: Memory
    unplaced: list[Unplaced]
    solver: str
    bound: float
    for_money: bool = False


def better(fresh: Answer, again: Answer | None) -> Answer:
    """The one that places more, or is cheaper: a fresh one may have had too little time."""
    if again is None:
        return fresh
    placed, cost = fresh.memory.groups.held.sum(), fresh.memory.groups.cost()
    kept = again.memory.groups
    if placed > kept.held.sum() or (placed == kept.held.sum() and cost <= kept.cost()):
        return fresh
    return replace(again, bound=max(again.bound, fresh.bound))


def remade(warm: Plan, asked: Asked) -> Answer | None:
    """The plan before put to what is asked now; None where not all of it finds room so."""
    known = recounted(warm, asked) or carried(warm, asked)
    groups = again(known[0]) if known else None
    if known is None or groups is None:
        return None
    memory = replace(known[0], groups=groups)
    return Answer(memory, known[1], "again", memory.bound())


def carried(warm: Plan, asked: Asked) -> tuple[Memory, list[Unplaced]] | None:
    """The plan before in a changed world."""
    question = compiled(asked)
    if warm.memory is None or question.offered_s:
        return None
    return moved(warm.memory, question.problem), question.unplaced


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked as a problem; `offered_s` are the lifetimes on offer where money counts."""

    problem: Problem
    unplaced: list[Unplaced]
    offered_s: list[float]


def compiled(asked: Asked) -> Question:
    """Set aside what can have no place at all, and make a problem of the rest."""
    options, catalogue = asked.options, list(asked.catalogue)
    sane, refused = sensible(asked.demands, options.licences)
    if options.objective == "money":
        catalogue = fewer(catalogue)
    problem = compile_problem(sane, asked.bins, catalogue, options.vcpu_quota)
    problem, hopeless = placeable(problem, hosts_of(asked.bins, catalogue))
    offered_s = lifetimes(problem.demands) if options.objective == "money" else []
    if offered_s:
        problem = by_lifetime(problem, offered_s)
    return Question(problem, [*refused, *hopeless], offered_s)


def afresh(asked: Asked, deadline: Deadline) -> Answer:
    question = compiled(asked)
    found = fresh(question.problem, asked.options, deadline)
    groups, for_money = found.groups, bool(question.offered_s)
    bound = 0.0 if for_money else min(found.bound, groups.cost())
    gap = groups.cost() / bound - 1 if bound else 1.0
    memory = Memory(groups, index_of(question.problem), found.proofs, found.prices, gap)
    return Answer(memory, question.unplaced, found.solver, bound, for_money)


def planned(answer: Answer, asked: Asked, warm: Plan | None, deadline: Deadline) -> Plan:
    """The answer in the words of the question; what found no room is told why."""
    groups = answer.memory.groups
    cost = rate(groups)
    return Plan(
        placements=placements_of(groups, warm),
        unplaced=(*answer.unplaced, *leftovers(groups)),
        cost_usd_hour=cost,
        bound_usd_hour=min(answer.bound, cost),
        cost_usd=money(groups) if answer.for_money else None,
        solver=answer.solver,
        seconds=deadline.used(),
        asked=asked,
        memory=None if answer.for_money else answer.memory,
    )


def unique(asked: Asked) -> None:
    for field, keys in (
        ("demands", [demand.key for demand in asked.demands]),
        ("bins", [bin_.key for bin_ in asked.bins]),
        ("catalogue", [kind.key for kind in asked.catalogue]),
    ):
        if len(set(keys)) < len(keys):
            twice = next(key for key, times in Counter(keys).items() if times > 1)
            raise InvalidInput.of(f"{field}.key", twice, "each key once in a call")


def placements_of(groups: Groups, warm: Plan | None) -> tuple[Placement, ...]:
    """The rows in words; those that the plan before has too keep theirs."""
    problem, known = groups.problem, words_of(warm)
    keys = [demand.key for demand in problem.demands]
    hosts = [host.key for host in problem.hosts]
    made = []
    for host, instances, contents in groups.rows():
        before = known.get(id(contents))
        if before and (before.host, before.instances) == (hosts[host], instances):
            made.append(before)
            continue
        words = dict(zip(map(keys.__getitem__, contents), contents.values(), strict=True))
        made.append(Placement(hosts[host], bool(problem.is_new[host]), instances, words))
    return tuple(made)


def words_of(warm: Plan | None) -> dict[int, Placement]:
    """A plan's placements by the identity of the rows they came from: the plan keeps these alive,
    so no other row has the same."""
    if warm is None or warm.memory is None:
        return {}
    rows = [contents for contents in warm.memory.groups.contents if contents]
    return dict(zip(map(id, rows), warm.placements, strict=True))


def rate(groups: Groups) -> float:
    """USD an hour for the new instances."""
    prices = np.array([price_of(host) for host in groups.problem.hosts])
    return float(prices[groups.host] @ groups.instances)


def money(groups: Groups) -> float:
    """USD for the new instances until the last task on each is predicted to end."""
    problem, usd = groups.problem, 0.0
    longest = max((demand.runtime_s or 0.0 for demand in problem.demands), default=0.0)
    for host, instances, contents in groups.rows():
        ends_s = max(problem.demands[k].runtime_s or longest for k in contents)
        usd += price_of(problem.hosts[host]) * ends_s / HOUR_S * instances
    return usd


def leftovers(groups: Groups) -> list[Unplaced]:
    """What would fit somewhere, but has no room now."""
    problem, left = groups.problem, groups.problem.count - groups.placed()
    return [
        Unplaced(problem.demands[k].key, int(left[k]), *scarce(problem, k))
        for k in np.flatnonzero(left).tolist()
    ]


def scarce(problem: Problem, k: int) -> tuple[Reason, str]:
    """What ran out for a demand that would fit on an empty host."""
    fits = problem.fits[k] & problem.is_new
    if not fits.any():
        return Reason.NO_ROOM, "free capacity: all that would fit is taken"
    if (problem.limit[fits] < UNLIMITED).all():
        return Reason.TYPE_LIMIT, "limit: no more instances that would fit may be started"
    quota = problem.quota / MILLI
    return Reason.VCPU_QUOTA, f"vcpu_quota: {quota:g} vCPUs do not suffice for what would fit"
