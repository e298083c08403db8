"""What the packer's plans cost: over the proven bound, against Karpenter's way, against exact
optima.

    python -m benchmarks.packing [--quick] [--json] [PATH]

- `cost over bound`: a plan's cost over its own lower bound, with 300 x86 types of EC2 in us-east-1,
  for 10^3 to 10^6 tasks drawn with replacement. Without PATH from a seeded generator ("cpu":
  CALCLOUD-like, "wide": 1 to 16 vCPUs at any memory, harder than the target asks) and from GPU
  shapes; with PATH from that table. The bound is proven by the plan's linear programme; no plan
  that breaks a rule counts, as `packer.verify` judges it.
- `against Karpenter`: the same demand by first-fit-decreasing as Karpenter describes it.
- `exact optima`: 200 small seeded instances, solved to optimality by CP-SAT with a model of its
  own.
- `re-plan`: the time of a plan after 1 % of the demand changed, started from the plan before.
- `memory`: the most memory that this process held.

Caveats: tasks cost by the hour of one moment (see `benchmarks.lifetime` for time); Karpenter's real
scheduler knows daemons, topology and kubelet reservations, none of which is in here.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from benchmarks import exact, karpenter_like
from benchmarks.demands import catalogue, drawn, generated, read, wide, with_gpus
from benchmarks.report import Options, Result, main
from packer.catalogue import InstanceType
from packer.demand import Demand
from packer.options import PackOptions
from packer.pack import pack
from packer.plan import Plan
from packer.verify import verify

SIZES = (10**3, 10**4, 10**5, 10**6)
QUICK = (10**3, 10**5)
DEADLINE_S = 2.0

Draw = Callable[[int, int], list[Demand]]


@dataclass(frozen=True, slots=True)
class Case:
    """A source of demands at one size."""

    name: str
    tasks: int
    demands: list[Demand]

    @property
    def label(self) -> str:
        return f"{self.name} 10^{len(str(self.tasks)) - 1}"


def measure(options: Options) -> Iterator[Result]:
    types = catalogue()
    sizes = QUICK if options.quick else SIZES
    for name, draw in sources(options).items():
        for tasks in sizes:
            case = Case(name, tasks, draw(tasks, options.seed))
            yield from packed(case, types)
    yield optima(40 if options.quick else 200, options.seed)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield Result("memory", peak_mib, "MiB", max(sizes), 0.0, target="<= 500")


def sources(options: Options) -> dict[str, Draw]:
    if options.path is None:
        return {"cpu": generated, "gpu": with_gpus, "wide": wide}
    table = read(options.path)
    return {options.path.stem: lambda tasks, seed: drawn(table, tasks, seed), "gpu": with_gpus}


def packed(case: Case, types: list[InstanceType]) -> Iterator[Result]:
    """Cost over the bound, against Karpenter's way, and the re-plan, all on one demand."""
    plan = checked(case.demands, types)
    placed = [d for d in case.demands if plan.placed().get(d.key, 0) == d.count]
    cost, bound = plan.cost_usd_hour, plan.bound_usd_hour
    yield Result(
        name=f"cost over bound, {case.label}",
        value=cost,
        unit="USD/h",
        n=case.tasks,
        seconds=plan.seconds,
        against={"bound": bound},
        ratio=cost / bound if bound else float("inf"),
        target="<= 1.02" if case.tasks < 10**4 else "<= 1.005",
    )
    started = time.perf_counter()
    peer = karpenter_like.cost(placed, types)
    yield Result(
        name=f"against Karpenter, {case.label}",
        value=cost,
        unit="USD/h",
        n=case.tasks,
        seconds=time.perf_counter() - started,
        against={"Karpenter-like": peer},
        ratio=cost / peer,
        target="<= 0.92",
    )
    yield Result(f"time, {case.label}", plan.seconds, "s", case.tasks, plan.seconds, target="<= 2")
    yield replanned(case, types, plan)


def checked(demands: list[Demand], types: list[InstanceType], warm: Plan | None = None) -> Plan:
    options = PackOptions(deadline_s=DEADLINE_S)
    plan = pack(demands, catalogue=types, options=options, warm=warm)
    broken = verify(plan, demands, (), types, options)
    assert not broken, broken
    return plan


def replanned(case: Case, types: list[InstanceType], cold: Plan) -> Result:
    """A plan after one task in a hundred became another, from the plan before and afresh."""
    changed = one_percent_more(case.demands)
    again = checked(changed, types, warm=cold)
    fresh = checked(changed, types)
    return Result(
        name=f"re-plan, {case.label}",
        value=again.seconds,
        unit="s",
        n=case.tasks,
        seconds=again.seconds,
        against={
            "cold": fresh.seconds,
            "re-plan USD/h": again.cost_usd_hour,
            "cold USD/h": fresh.cost_usd_hour,
        },
        ratio=again.seconds / fresh.seconds,
        target="<= 0.1",
    )


def one_percent_more(demands: list[Demand]) -> list[Demand]:
    """One task in a hundred is another: taken from the even demands and given to the odd ones."""
    changed, owed = [], 0.0
    for i, demand in enumerate(demands):
        owed += demand.count / 100
        whole = int(owed)
        owed -= whole
        sign = 1 if i % 2 else -1
        changed.append(replace(demand, count=max(1, demand.count + sign * whole)))
    return changed


def optima(instances: int, seed: int) -> Result:
    """How many of small instances are packed at the optimum's cost, to a thousandth of a
    percent."""
    started, equal = time.perf_counter(), 0
    for number in range(instances):
        demands, types = exact.instance(seed + number)
        plan = checked(demands, types)
        equal += plan.cost_usd_hour <= exact.optimum(demands, types) * (1 + 1e-5)
    share = equal / instances
    seconds = time.perf_counter() - started
    return Result("exact optima", share, "share", instances, seconds, target=">= 0.95")


if __name__ == "__main__":
    main(measure, __doc__)
