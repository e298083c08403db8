"""Better than first fit, as far as time allows, and the proof of how good it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from packer.coarse import coarsen, refine
from packer.columns import Columns, generate
from packer.deadline import Deadline
from packer.first_fit import Groups, complete
from packer.plan import Prices
from packer.problem import Ints, Problem
from packer.relax import Relaxed, learnt, relax, types_market, with_pools
from packer.rounding import cheapest, cover, whole_part
from packer.spread import Fleet, fleets
from packer.trim import trim

#: Clusters of the linear programme: more of them hardly move the bound.
CLUSTERS = 120
#: Shapes that the column generation sees at the most; its time grows with them.
SHAPES = 60
#: Good enough to stop looking.
ENOUGH = 1.0005
#: Instances that cost more than this part of all that is to be packed are too large to come out even.
GRAIN = 1 / 20
#: Dealing goes on with what is left over, on smaller types, so many times at the most.
ROUNDS = 6
#: The part of the time left that goes into new columns; the rest is for rounding.
GENERATING = 0.6
#: How much dearer than its tasks' worth a dealt instance may be: where anything goes that first fit
#: would not do better, and where the column generation takes what is handed back.
LENIENT, STRICT = 1.1, 1.01


@dataclass(frozen=True, slots=True)
class Improved:
    """A packing and who found it."""

    groups: Groups
    solver: str


def prove(problem: Problem, count: Ints, deadline: Deadline) -> tuple[float, dict[str, Prices]]:
    """What `count` tasks cost at the least, USD an hour, and the prices that prove it; 0 and none where
    there was no time."""
    market = with_pools(problem, types_market(problem))
    relaxed = relax(problem, market, count, CLUSTERS, deadline.left())
    return (relaxed.bound, learnt(problem, relaxed)) if relaxed else (0.0, {})


def improve(
    problem: Problem, first: Groups, bound: float, seed: int, deadline: Deadline
) -> Improved:
    """The cheapest packing found of just what first fit placed; what is on bins stays there."""
    placed, bins = first.placed(), only_bins(first)
    best = Improved(trim(first), "first-fit")
    rest = problem.after(bins.host, bins.instances, placed - bins.placed())
    for solver, new in candidates(rest, seed, deadline):
        groups = trim(together(bins, new))
        if groups.cost() < best.groups.cost() and (groups.placed() == placed).all():
            best = Improved(groups, solver)
        if best.groups.cost() <= bound * ENOUGH or deadline.over():
            break
    return best


def only_bins(groups: Groups) -> Groups:
    """The part of a packing that is on bins."""
    answer = Groups(groups.problem)
    for host, instances, contents in groups.rows():
        if not groups.problem.is_new[host]:
            answer.put(host, instances, contents)
    return answer


def together(*parts: Groups) -> Groups:
    answer = Groups(parts[0].problem)
    for part in parts:
        answer.join(part)
    return answer


def candidates(problem: Problem, seed: int, deadline: Deadline) -> Iterator[tuple[str, Groups]]:
    """Packings of the problem on new instances, the quick ones first."""
    whole = relax(problem, types_market(problem), problem.count, CLUSTERS, deadline.left())
    if whole is None:
        return
    # 1. Deal everything out: near the best where many tasks of many shapes share an instance.
    dealt = deal(problem, problem.count, whole, deadline)
    yield "spread", completed(*deal_on(problem, whole, fitted(dealt, LENIENT), deadline))
    # 2. Column generation for all of it, where that can see every shape.
    if np.count_nonzero(problem.count) <= SHAPES:
        columns = by_columns(problem, seed, deadline)
        if columns is not None:
            yield "columns", columns
        return
    # 3. Deal out what comes out even; first fit, then column generation for the rest.
    done = settle(problem, fitted(dealt, STRICT))
    left = problem.count - done.placed()
    yield "spread+first-fit", completed(together(done), left)
    columns = by_columns(problem.after(done.host, done.instances, left), seed, deadline)
    if columns is not None:
        yield "spread+columns", together(done, columns)


def deal(problem: Problem, count: Ints, whole: Relaxed, deadline: Deadline) -> list[Fleet]:
    """Deal `count` tasks out on types that are small enough to come out even; `whole.worth` judges."""
    worth = float(count @ np.where(count, whole.worth, 0.0))
    market = types_market(problem, dearest=worth * GRAIN)
    fits = np.where(market.fits.any(axis=1), count, 0)
    if not fits.any():
        return []
    relaxed = relax(problem, market, fits, CLUSTERS, deadline.left())
    if relaxed is None:
        return []
    return fleets(problem, replace(relaxed, worth=whole.worth), fits, deadline)


def fitted(dealt: list[Fleet], too_dear: float) -> list[Fleet]:
    return [fleet for fleet in dealt if fleet.dearness <= too_dear]


def settle(problem: Problem, dealt: list[Fleet]) -> Groups:
    """The fleets as groups, and the tasks that are left over first-fit into their holes."""
    done = Groups(problem)
    for fleet in dealt:
        done.join(fleet.groups())
    left = problem.count - done.placed()
    for demand in np.flatnonzero(left).tolist():
        done.place(demand, int(left[demand]))
    return done


def deal_on(
    problem: Problem, whole: Relaxed, dealt: list[Fleet], deadline: Deadline
) -> tuple[Groups, Ints]:
    """Deal what the fleets left over again on smaller types, and so on; returns what is left then."""
    done = settle(problem, dealt)
    left = problem.count - done.placed()
    for _ in range(ROUNDS):
        rest = problem.after(done.host, done.instances, left)
        more = fitted(deal(rest, left, whole, deadline), LENIENT)
        if not more:
            break
        done.join(settle(rest, more))
        left = problem.count - done.placed()
    return done, left


def by_columns(problem: Problem, seed: int, deadline: Deadline) -> Groups | None:
    """A packing by column generation, over clusters where there are many shapes."""
    if not problem.count.any():
        return Groups(problem)
    coarse = coarsen(problem, SHAPES)
    small = coarse.problem
    guide = relax(small, types_market(small), small.count, CLUSTERS, deadline.left())
    if guide is None:
        return None
    columns = Columns(small)
    for known in (first_fitted(small), dealt_out(small, guide, deadline)):
        columns.add_groups(known)
    solution = generate(columns, guide, seed, Deadline(deadline.left() * GENERATING))
    if solution is None:
        return None
    # Round: what is whole stays; the rest is packed in every way there is.
    whole, left = whole_part(columns, solution)
    rest = small.after(whole.host, whole.instances, left)
    found = [first_fitted(rest), dealt_out(rest, guide, deadline)]
    known = cheapest(found)
    if not deadline.over() and left.any() and not unplaced(known):
        better = cover(columns, rest, solution, known, deadline)
        found += [] if better is None else [better]
    filled = completed(together(whole), left)
    packed = cheapest([filled, *(together(whole, tail) for tail in found)])
    return refine(coarse, packed, problem.count)


def first_fitted(problem: Problem) -> Groups:
    return completed(Groups(problem), problem.count)


def dealt_out(problem: Problem, guide: Relaxed, deadline: Deadline) -> Groups:
    dealt = fitted(deal(problem, problem.count, guide, deadline), LENIENT)
    return completed(*deal_on(problem, guide, dealt, deadline))


def completed(groups: Groups, left: Ints) -> Groups:
    """The groups with what is left first-fit into and beside them."""
    complete(groups, left)
    return groups


def unplaced(groups: Groups) -> int:
    return int(groups.problem.count.sum() - groups.placed().sum())
