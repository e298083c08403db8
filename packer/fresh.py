"""A plan from nothing: first fit at once, then better and with proof as far as time allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from packer.coarse import Coarse, coarsen, refine
from packer.deadline import Deadline
from packer.first_fit import Groups, first_fit
from packer.improve import CLUSTERS, Improved, improve, only_bins, together
from packer.mend import mend
from packer.options import PackOptions
from packer.problem import Problem
from packer.proof import Prices, Proof
from packer.relax import (
    Market,
    Relaxed,
    learnt,
    proven_simply,
    relax,
    types_market,
    with_pools,
    worths,
)
from packer.trim import trim

#: The part of the time left that is for the search; the rest puts its plan together. That takes
#: the longer the longer it took to come here.
SEARCHING, ASSEMBLING = 0.85, 0.2
#: Beyond so many shapes, like ones are rounded up to one; this many cost some 0.1 % at the most.
MOST_SHAPES = 2000
#: Where so much of the time is gone already, the machine is slow or the time short: fewer shapes
#: are quicker in all that follows, and cost some 0.2 % more at the most.
HURRIED, HURRIED_SHAPES = 0.04, 600


@dataclass(frozen=True, slots=True)
class Found:
    """A packing of the problem with its proofs, and the prices that they taught."""

    groups: Groups
    solver: str
    bound: float = 0.0
    proofs: tuple[Proof, ...] = ()
    prices: Mapping[str, Prices] = field(default_factory=dict)


def fresh(problem: Problem, options: PackOptions, deadline: Deadline) -> Found:
    """First fit, then better as far as time allows."""
    hurried = deadline.used() > HURRIED * deadline.seconds
    coarse = coarsen(problem, HURRIED_SHAPES if hurried else MOST_SHAPES)
    found = Found(first_fit(coarse.problem), "first-fit")
    if found.groups.cost() and not deadline.over():
        found = searched(problem, coarse, found, Search(options, deadline))
    groups = trim(refine(coarse, found.groups))
    if found.proofs and not deadline.over():
        groups = mend(groups, found.proofs[0], found.bound * (1 + options.enough))
    # Where there was no time for a better proof, there still is one.
    bound = found.bound or proven_simply(problem, groups.placed())
    return replace(found, groups=groups, bound=bound)


@dataclass(frozen=True, slots=True)
class Search:
    """How to look for better, and until when."""

    options: PackOptions
    deadline: Deadline


def searched(problem: Problem, coarse: Coarse, first: Found, search: Search) -> Found:
    """The best that is found in time, in the coarse problem's terms, and what is proven of the
    problem itself."""
    # What is on bins stays there; just what first fit placed elsewhere is packed better.
    bins = only_bins(first.groups)
    count = first.groups.placed() - bins.placed()
    rest = coarse.problem.after(bins.host, bins.instances, count)
    whole = None
    if (count == coarse.problem.count).all():
        whole = relax(rest, types_market(rest), count, CLUSTERS, search.deadline.left())
        found = first if whole is None else proven(first, problem, whole)
    else:
        found = proven_in_part(first, coarse, search.deadline)
    left = Deadline(search.deadline.left() * SEARCHING - search.deadline.used() * ASSEMBLING)
    exact = coarse.problem is problem and whole is not None
    packings = improve(rest, whole, search.options.seed, left)
    while found.groups.cost() > found.bound * (1 + search.options.enough):
        one = next(packings, None)
        if one is None:
            break
        found = better(found, replace(one, groups=together(bins, one.groups)), exact)
    return found


def proven(first: Found, problem: Problem, whole: Relaxed) -> Found:
    """The proof for the problem's own shapes, by the prices that the coarse ones taught."""
    market = Market.of(problem, whole.market.host)
    proof = worths(problem, market, whole.value, whole.quota_value)
    bound, prices = proof.bound(problem.count), learnt(problem, whole)
    return replace(first, bound=bound, proofs=(proof,), prices=prices)


def proven_in_part(first: Found, coarse: Coarse, deadline: Deadline) -> Found:
    """The proof where bins hold a part, or where not everything found a place."""
    problem = coarse.original
    placed = refine(coarse, first.groups).placed()
    market = with_pools(problem, types_market(problem))
    relaxed = relax(problem, market, placed, CLUSTERS, deadline.left())
    if relaxed is None:
        return first
    prices = learnt(problem, relaxed)
    return replace(first, bound=relaxed.bound, proofs=(relaxed.proof,), prices=prices)


def better(found: Found, one: Improved, exact: bool) -> Found:
    """The cheaper packing of the two, and the higher bound where it is one for all of the
    problem."""
    if exact:
        more = (one.proof,) if one.proof else ()
        bound = max(found.bound, one.bound)
        found = replace(found, bound=bound, proofs=(*found.proofs, *more))
    if one.groups.cost() < found.groups.cost():
        return replace(found, groups=one.groups, solver=one.solver)
    return found
