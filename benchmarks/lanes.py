"""How few lanes serve a history nearly as cheaply as all of EC2's types together.

    python -m benchmarks.lanes [--quick] [--json] [PATH]

A month of tasks (without PATH: a mix of CPU, wide and GPU tasks from a seeded generator) is packed
fractionally on portfolios of 50 lanes and fewer, each task for an hour. The bound is the same
packing with every type of the catalogue; the peer is what people set up by hand: the 4xlarge of one
general, one compute and one memory family, and the smallest, a middle and the largest GPU type of
each model. Caveat: a fractional cost; `benchmarks.packing` says what whole instances add.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.demands import catalogue, drawn, generated, read, wide, with_gpus
from benchmarks.report import Options, Result, main
from packer.catalogue import InstanceType
from packer.demand import Demand
from packer.lanes import Portfolio, cost_of, portfolios, solve, timed
from packer.problem import compile_problem
from packer.selection import Selection, select

SHOWN = (50, 20, 10, 8, 6, 4)
BY_HAND = ("c6i.4xlarge", "m6i.4xlarge", "r6i.4xlarge", "r6i.24xlarge")
BY_HAND_GPU = (".xlarge", ".4xlarge", ".12xlarge", ".48xlarge", ".24xlarge")


def measure(options: Options) -> Iterator[Result]:
    types = catalogue(150 if options.quick else 600)
    demands = history(options)
    tasks = sum(demand.count for demand in demands)
    started = time.perf_counter()
    found = portfolios(demands, types)
    seconds = time.perf_counter() - started
    best = found[0].cost_usd / found[0].over_best
    peer = by_hand(demands, types)
    for most in SHOWN:
        portfolio = within(found, most)
        if portfolio is not None:
            yield Result(
                name=f"cost with at most {most} lanes (uses {len(portfolio.lanes)})",
                value=portfolio.cost_usd,
                unit="USD",
                n=tasks,
                seconds=seconds,
                against={"every type": best} | ({"by hand": peer} if peer else {}),
                ratio=portfolio.cost_usd / best,
                target="<= 1.01" if most == 50 else None,
            )


def history(options: Options) -> list[Demand]:
    if options.path is not None:
        return drawn(read(options.path), 100_000, options.seed)
    cpu = [*generated(50_000, options.seed), *wide(20_000, options.seed)]
    numbered = [*cpu, *with_gpus(5_000, options.seed)]
    return [rekeyed(demand, i) for i, demand in enumerate(numbered)]


def rekeyed(demand: Demand, number: int) -> Demand:
    return Demand(f"h{number}", demand.shape, demand.count, gpu_memory_mib=demand.gpu_memory_mib)


def within(found: list[Portfolio], most: int) -> Portfolio | None:
    return next((one for one in found if len(one.lanes) <= most), None)


def by_hand(demands: list[Demand], types: list[InstanceType]) -> float | None:
    """What the hand-made fleet costs; None where it cannot take every task."""
    names = [kind.name for kind in types if kind.capacity.gpus and kind.name.endswith(BY_HAND_GPU)]
    chosen = select(types, Selection(families=(*BY_HAND, *names)))
    problem = timed(compile_problem(demands, (), chosen, None))
    relaxed = solve(problem, problem.is_new.nonzero()[0])
    return cost_of(relaxed) if relaxed else None


if __name__ == "__main__":
    main(measure, __doc__)
