"""Which filling of one instance is worth most, given what a task is worth: the knapsacks of the
column generation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ortools.sat.python import cp_model

from packer.problem import Floats, Ints, Problem

#: How much of what still fits a step of the greedy takes: small steps mix shapes, large ones do
#: not.
STEPS = (1.0, 0.5, 0.15)
#: CP-SAT reckons in whole numbers; the instance's price is this many.
PRECISION = 10**7


def fillings(problem: Problem, hosts: Ints, worth: Floats) -> Iterator[tuple[int, Ints]]:
    """Good fillings of one instance of each host, all hosts side by side.

    Greedy: always the task that is worth most for its share of what room is left, so that whatever
    runs short gets dear and the mixture balances itself.
    """
    row_host = np.repeat(hosts, len(STEPS))
    step = np.tile(np.array(STEPS), len(hosts))
    left = problem.room[row_host].astype(float)
    filled = np.zeros((len(row_host), len(worth)), dtype=np.int64)
    most = np.minimum(problem.cap, problem.count)
    usable = problem.fits[:, row_host].T & (worth > 0) & (most > 0)
    rows = np.arange(len(row_host))
    while len(rows):
        score = np.where(usable[rows], density(problem, left[rows], worth), 0.0)
        best = score.argmax(axis=1)
        going = score[np.arange(len(rows)), best] > 0
        rows, best = rows[going], best[going]
        tasks = how_many(problem, left[rows], best, most[best] - filled[rows, best])
        tasks = np.maximum(np.floor(tasks * step[rows]), np.minimum(tasks, 1)).astype(np.int64)
        left[rows] -= problem.need[best] * tasks[:, None]
        filled[rows, best] += tasks
        # A demand that is full, or no longer fits, is out for good.
        usable[rows, best] &= (tasks > 0) & (filled[rows, best] < most[best])
    yield from zip(row_host.tolist(), filled, strict=True)


def density(problem: Problem, left: Floats, worth: Floats) -> Floats:
    """Worth by share of the room that is left (rows by demands); 0 where the task does not fit."""
    share = np.zeros((len(left), len(worth)))
    fits = np.ones(share.shape, dtype=bool)
    for part in range(3):
        need, room = problem.need[:, part], left[:, part, None]
        share += need / np.maximum(room, 1e-9)
        fits &= need <= room
    return np.where(fits, worth / np.maximum(share, 1e-12), 0.0)


def how_many(problem: Problem, left: Floats, demand: Ints, most: Ints) -> Ints:
    """How many tasks of each row's demand go into the row's room."""
    need = problem.need[demand]
    room = np.where(need > 0, left // np.maximum(need, 1), np.inf).min(axis=1)
    answer: Ints = np.minimum(room, most).astype(np.int64)
    return answer


def best_filling(
    problem: Problem, host: int, worth: Floats, seconds: float, gap: float = 1e-3
) -> tuple[Ints, float] | None:
    """The filling of one host that is worth most, to the gap, by CP-SAT, and what any filling is
    worth at the most; None where it found none.

    The work is limited in CP-SAT's own deterministic time, so that the same input gives the same
    answer.
    """
    most = np.minimum(problem.cap, problem.count)
    useful = np.flatnonzero(problem.fits[:, host] & (worth > 0) & (most > 0))
    unit = max(float(problem.price[host]), 1e-9) / PRECISION
    model = cp_model.CpModel()
    tasks = [model.new_int_var(0, int(most[k]), "") for k in useful]
    for part in np.flatnonzero(problem.room[host]):
        need = problem.need[useful, part].tolist()
        model.add(cp_model.LinearExpr.weighted_sum(tasks, need) <= int(problem.room[host, part]))
    value = np.ceil(worth[useful] / unit).astype(np.int64)
    model.maximize(cp_model.LinearExpr.weighted_sum(tasks, value.tolist()))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.relative_gap_limit = gap
    solver.parameters.max_deterministic_time = 0.02
    solver.parameters.max_time_in_seconds = seconds
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    filled = np.zeros(len(worth), dtype=np.int64)
    filled[useful] = [solver.value(variable) for variable in tasks]
    return filled, solver.best_objective_bound * unit
