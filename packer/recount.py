"""The same instance types and other counts: the problem need not be compiled again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter

import numpy as np

from packer.demand import Demand
from packer.memory import Memory
from packer.plan import Asked, Plan, Unplaced
from packer.problem import UNLIMITED, Problem, compile_problem
from packer.proof import Proof
from packer.relax import proven_by
from packer.triage import hosts_of, placeable, sensible

#: All of a demand but its key and count.
WHAT = attrgetter(
    "shape",
    "rank",
    "runtime_s",
    "gpu_model",
    "gpu_memory_mib",
    "arch",
    "spot_ok",
    "max_per_instance",
    "licence",
)


def recounted(warm: Plan, asked: Asked) -> tuple[Memory, list[Unplaced]] | None:
    """What the plan remembers, put to the new question, and what can have no place at all.

    None where the question differs in more than its demands, or where seats, limits or bins could
    run short: then all is to be looked at.
    """
    memory = warm.memory
    if memory is None or not isinstance(warm.asked, Asked) or not same_world(warm.asked, asked):
        return None
    known, strangers = list(memory.problem.demands), []
    count = np.zeros(len(known), dtype=np.int64)
    for demand in asked.demands:
        k = memory.index.get(demand.key)
        if k is not None and demand.count > 0 and WHAT(demand) == WHAT(known[k]):
            known[k], count[k] = demand, demand.count
        else:
            strangers.append(demand)
    if np.count_nonzero(count) * 2 < len(count) or any(d.licence for d in asked.demands):
        return None
    problem = replace(memory.problem, demands=tuple(known), count=count)
    return joined(memory, problem, strangers, asked)


def same_world(before: Asked, now: Asked) -> bool:
    def world(asked: Asked) -> object:
        return asked.bins, asked.options.vcpu_quota, asked.options.objective, asked.catalogue

    unlimited = all(kind.limit is None for kind in now.catalogue)
    return not now.bins and unlimited and world(before) == world(now)


def joined(
    memory: Memory, problem: Problem, strangers: Sequence[Demand], asked: Asked
) -> tuple[Memory, list[Unplaced]]:
    """Demands that the memory does not know join the problem as its last."""
    if not strangers:
        return replace(memory, groups=memory.groups.under(problem)), []
    sane, refused = sensible(strangers, {})
    more = compile_problem(sane, (), asked.catalogue, asked.options.vcpu_quota)
    more, hopeless = placeable(more, hosts_of((), asked.catalogue))
    start, worth = len(problem.count), proven_by(more, memory.prices)
    renewed = replace(
        memory,
        groups=memory.groups.under(stacked(problem, more)),
        index={**memory.index, **{d.key: start + k for k, d in enumerate(more.demands)}},
        proofs=tuple(padded(proof, worth) for proof in memory.proofs),
    )
    return renewed, [*refused, *hopeless]


def stacked(problem: Problem, more: Problem) -> Problem:
    return replace(
        problem,
        demands=(*problem.demands, *more.demands),
        need=np.concatenate([problem.need, more.need]),
        count=np.concatenate([problem.count, more.count]),
        cap=np.concatenate([problem.cap, more.cap]),
        allowed=np.concatenate([problem.allowed, more.allowed]),
        fits=np.concatenate([problem.fits, more.fits]),
    )


def padded(proof: Proof, more: Proof) -> Proof:
    """The proof with the demands that joined. By prices of room they are worth what they are; where
    fillings were looked at one by one, they were in none and are worth nothing."""
    if proof.most is None:
        return replace(proof, worth=np.concatenate([proof.worth, more.worth]))
    unseen = np.zeros(len(more.worth))
    most = np.concatenate([proof.most, np.full(len(unseen), UNLIMITED)])
    return replace(proof, worth=np.concatenate([proof.worth, unseen]), most=most)
