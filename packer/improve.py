"""Better than first fit, as far as time allows, and the proof of how good it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from packer.coarse import Coarse, coarsen, refine
from packer.columns import Columns, Generated, all_solved, generate
from packer.deadline import Deadline
from packer.enumerate import every_column, few_columns
from packer.first_fit import Groups, complete
from packer.problem import Ints, Problem
from packer.proof import Proof
from packer.relax import Relaxed, relax, types_market
from packer.rounding import cheapest, cover, optimum, whole_part
from packer.spread import Deal, Fleet
from packer.trim import trim

#: Clusters of the linear programme: more of them hardly move the bound.
CLUSTERS = 120
#: Shapes that the column generation sees at the most; its time grows with them.
SHAPES = 60
#: So few tasks may have few enough fillings to try them all.
SMALL = 60
#: Instances that cost more than this part of all that is to be packed are too large to come out
#: even.
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
    """A packing, who found it, and what it proved that any costs at the least, USD an hour; and a
    proof that holds for other counts too."""

    groups: Groups
    solver: str
    bound: float = 0.0
    proof: Proof | None = None


def improve(
    problem: Problem, whole: Relaxed | None, seed: int, deadline: Deadline
) -> Iterator[Improved]:
    """Packings of all of the problem's tasks on new instances; the quick ones come first. `whole`
    is the fractional packing of all, where it is known."""
    for found in candidates(problem, whole, seed, deadline):
        groups = trim(found.groups)
        if (groups.placed() == problem.count).all():
            yield replace(found, groups=groups)
        if deadline.over():
            return


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


def candidates(
    problem: Problem, whole: Relaxed | None, seed: int, deadline: Deadline
) -> Iterator[Improved]:
    """Packings of the problem on new instances, the quick ones first."""
    # 1. A small problem is solved whole.
    if problem.count.sum() <= SMALL:
        best = solved(problem, deadline)
        if best is not None:
            yield best
            return
    whole = whole or relaxed(problem, problem.count, deadline)
    if whole is None:
        return
    # 2. Deal everything out: near the best where many tasks of many shapes share an instance.
    dealt = deal(problem, problem.count, whole, deadline)
    if dealt is None:
        return
    yield Improved(completed(*deal_on(problem, whole, fitted(dealt, LENIENT), deadline)), "spread")
    # 3. Column generation for all of it, where that can see every shape.
    if np.count_nonzero(problem.count) <= SHAPES:
        yield from by_columns(problem, seed, deadline)
        return
    # 4. Deal out what comes out even; first fit, then column generation for the rest.
    done = settle(problem, fitted(dealt, STRICT))
    left = problem.count - done.placed()
    yield Improved(completed(together(done), left), "spread+first-fit")
    for tail in by_columns(problem.after(done.host, done.instances, left), seed, deadline):
        yield Improved(together(done, tail.groups), "spread+columns")


def relaxed(problem: Problem, count: Ints, deadline: Deadline) -> Relaxed | None:
    return relax(problem, types_market(problem), count, CLUSTERS, deadline.left())


def solved(problem: Problem, deadline: Deadline) -> Improved | None:
    """The optimum over every filling there is; None where there are too many."""
    columns = every_column(problem, deadline)
    if columns is None:
        return None
    best = optimum(columns, first_fitted(problem), deadline)
    return Improved(best[0], "exact", best[1]) if best else None


def deal(problem: Problem, count: Ints, whole: Relaxed, deadline: Deadline) -> list[Fleet] | None:
    """Deal `count` tasks out on types that are small enough to come out even; `whole.worth`
    judges. None where there was no time."""
    worth = float(count @ np.where(count, whole.worth, 0.0))
    market = types_market(problem, dearest=worth * GRAIN)
    fits = np.where(market.fits.any(axis=1), count, 0)
    if not fits.any():
        return []
    found = relax(problem, market, fits, CLUSTERS, deadline.left())
    return Deal(problem, found, whole.worth, fits).fleets(deadline) if found else None


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
    """Deal what the fleets left over again on smaller types, and so on; returns what is left
    then."""
    done = settle(problem, dealt)
    left = problem.count - done.placed()
    for _ in range(ROUNDS):
        rest = problem.after(done.host, done.instances, left)
        more = fitted(deal(rest, left, whole, deadline) or [], LENIENT)
        if not more:
            break
        done.join(settle(rest, more))
        left = problem.count - done.placed()
    return done, left


def by_columns(problem: Problem, seed: int, deadline: Deadline) -> Iterator[Improved]:
    """A packing by column generation, over clusters where there are many shapes; none where there
    is no time for it."""
    if not problem.count.any():
        yield Improved(Groups(problem), "columns")
        return
    coarse = coarsen(problem, SHAPES)
    small = coarse.problem
    guide = relaxed(small, small.count, deadline)
    if guide is None:
        return
    generating = Deadline(deadline.left() * GENERATING)
    columns = few_columns(small, generating)
    if columns is None:
        columns = Columns(small)
        for known in (first_fitted(small), dealt_out(small, guide, deadline)):
            columns.add_groups(known)
        generated = generate(columns, guide, seed, generating)
    else:
        generated = all_solved(columns, generating)
    if generated is None:
        return
    yield rounded(coarse, columns, generated, guide, deadline)


def rounded(
    coarse: Coarse, columns: Columns, generated: Generated, guide: Relaxed, deadline: Deadline
) -> Improved:
    """The columns' fractions made whole: what is whole stays; the rest is packed in every way there
    is."""
    small, solution = coarse.problem, generated.solution
    bought, left = whole_part(columns, solution)
    rest = small.after(bought.host, bought.instances, left)
    found = [first_fitted(rest), dealt_out(rest, guide, deadline)]
    known = cheapest(found)
    if not deadline.over() and left.any() and not unplaced(known):
        better = cover(columns, rest, solution, known, deadline)
        found += [] if better is None else [better]
    filled = completed(together(bought), left)
    packed = cheapest([filled, *(together(bought, tail) for tail in found)])
    if small is not coarse.original:
        return Improved(refine(coarse, packed), "columns")
    return Improved(packed, "columns", generated.bound, generated.proof)


def first_fitted(problem: Problem) -> Groups:
    return completed(Groups(problem), problem.count)


def dealt_out(problem: Problem, guide: Relaxed, deadline: Deadline) -> Groups:
    dealt = fitted(deal(problem, problem.count, guide, deadline) or [], LENIENT)
    return completed(*deal_on(problem, guide, dealt, deadline))


def completed(groups: Groups, left: Ints) -> Groups:
    """The groups with what is left first-fit into and beside them."""
    complete(groups, left)
    return groups


def unplaced(groups: Groups) -> int:
    return int(groups.problem.count.sum() - groups.placed().sum())
