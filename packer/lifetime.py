"""Money instead of money an hour: an instance is paid until its last task ends.

Every type is offered once for each of some lifetimes, at its price for that long, to the tasks that
end by then. The packer then chooses lifetimes as it chooses types: tasks with near ends come
together, and a long one comes alone on something small rather than on something large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from packer.catalogue import InstanceType
from packer.demand import Demand
from packer.problem import UNLIMITED, Floats, Ints, Problem
from packer.selection import by_turns
from packer.spot import HOUR_S, expected_stretch

#: Lifetimes on offer, in equal ratios from the shortest task to the longest.
LIFETIMES = 12
#: Types on offer at each lifetime; the rest is dearer, or of a size that others have.
TYPES = 64


def lifetimes(demands: Sequence[Demand]) -> list[float]:
    """The lifetimes to offer, in seconds; empty where no runtime is known."""
    known = sorted({demand.runtime_s for demand in demands if demand.runtime_s})
    if not known:
        return []
    steps = np.geomspace(known[0], known[-1], LIFETIMES + 1)[1:]
    ends = np.unique(np.searchsorted(known, steps * (1 + 1e-9), side="right")) - 1
    return [known[end] for end in ends if end >= 0]


def fewer(catalogue: Sequence[InstanceType]) -> list[InstanceType]:
    return sorted(by_turns(catalogue)[:TYPES], key=lambda kind: kind.key)


def by_lifetime(problem: Problem, offered_s: Sequence[float]) -> Problem:
    """The problem with each type once for every lifetime; its prices are USD for all of that time.

    A task whose runtime nobody knows counts as the longest. A type with a limit is offered for the
    longest lifetime alone, since its copies could together pass the limit.
    """
    runtime = np.array([demand.runtime_s or offered_s[-1] for demand in problem.demands])
    copies = [
        (host, end)
        for host in range(len(problem.hosts))
        for end in (offered_s if problem.is_new[host] else offered_s[-1:])
        if problem.limit[host] >= UNLIMITED or end == offered_s[-1]
    ]
    of = np.array([host for host, _ in copies], dtype=np.int64)
    ends = np.array([end for _, end in copies])
    in_time = (runtime[:, None] <= ends) | ~problem.is_new[of]
    stretched = replace(
        problem,
        hosts=tuple(problem.hosts[host] for host in of),
        room=problem.room[of],
        price=problem.price[of] * ends / HOUR_S * retries(problem, of, ends),
        limit=problem.limit[of],
        allowed=problem.allowed[:, of] & in_time,
        fits=problem.fits[:, of] & in_time,
        is_new=problem.is_new[of],
    )
    return stretched.reordered(longest_first(stretched, runtime))


def longest_first(problem: Problem, runtime: Floats) -> list[int]:
    """Short tasks may fill the holes of long-lived instances, so the long ones come first."""
    levels = problem.fits.sum(axis=1).tolist()
    ranks = [demand.rank for demand in problem.demands]
    return sorted(range(len(runtime)), key=lambda k: (ranks[k], levels[k], k))


def retries(problem: Problem, of: Ints, ends: Floats) -> Floats:
    hazards = np.array([problem.hosts[host].interruption_per_hour for host in of])
    return expected_stretch(hazards, ends)
