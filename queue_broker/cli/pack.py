"""`headgate pack`: demands from a file onto instance types."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from headgate.errors import InvalidInput
from queue_broker.cli.screen import console
from queue_broker.cli.tables import DataDir, Days, Used, Worked, chosen_types, read_demands

if TYPE_CHECKING:
    from packer.catalogue import InstanceType
    from packer.demand import Demand
    from packer.plan import Placement, Plan


BAR = 6
SHOWN = 40


def pack(
    file: Annotated[
        Path | None,
        typer.Argument(exists=True, help="Demands, or what ran; else the broker's own history."),
    ] = None,
    *,
    catalogue: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Else the built-in one.")
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option(help="Only such types, as c6 or m5a.; can be repeated.")
    ] = None,
    arch: Annotated[str, typer.Option(help="x86_64, arm64, or any.")] = "x86_64",
    types: Annotated[int, typer.Option(min=1, help="At most so many types.")] = 300,
    quota: Annotated[float | None, typer.Option(min=0, help="The most vCPUs to start.")] = None,
    licence: Annotated[
        list[str] | None, typer.Option(help="Free seats, as matlab=10; can be repeated.")
    ] = None,
    money: Annotated[
        bool, typer.Option("--money", help="Minimise USD until the last task ends, by runtime_s.")
    ] = False,
    deadline: Annotated[float, typer.Option(min=0, help="Seconds to look for better.")] = 2.0,
    seed: Annotated[int, typer.Option(help="The same seed and input give the same plan.")] = 0,
    days: Days = 30,
    data_dir: DataDir = None,
    used: Used = False,
    as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON.")] = False,
) -> None:
    """Pack demands onto EC2 types, and say how far from the best that can be. Nothing is started.

    Without FILE: all that ended of late, at once. With one: CSV or Parquet of vcpu, memory_mib;
    optional gpus, gpu_model, gpu_memory_mib, arch, runtime_s, count, rank, spot_ok,
    max_per_instance, licence. Or a history (a folder of Parquet too), or a trace.

        headgate pack --days 1
        headgate pack demands.csv
        headgate pack demands.parquet --family m6i. --family c6i. --deadline 10
    """
    from packer.options import PackOptions
    from packer.pack import pack as pack_them

    chosen = chosen_types(catalogue, family, arch, types)
    demands = read_demands(file, Worked(days, data_dir, used))
    options = PackOptions(
        deadline_s=deadline,
        objective="money" if money else "rate",
        seed=seed,
        vcpu_quota=quota,
        licences=seats(licence or []),
    )
    plan = pack_them(demands, catalogue=chosen, options=options)
    if as_json:
        print(json.dumps(to_json(plan), indent=2))
    else:
        show(plan, demands, chosen)


def seats(given: list[str]) -> dict[str, int]:
    """Licences with their free seats."""
    found = {}
    for one in given:
        name, _, number = one.partition("=")
        if not name or not number.isdecimal():
            raise InvalidInput.of("--licence", one, "a name and a number of seats, as matlab=10")
        found[name] = int(number)
    return found


def to_json(plan: Plan) -> dict[str, object]:
    return {
        "placements": [asdict(placement) for placement in plan.placements],
        "unplaced": [asdict(unplaced) for unplaced in plan.unplaced],
        "cost_usd_hour": plan.cost_usd_hour,
        "bound_usd_hour": plan.bound_usd_hour,
        "gap": plan.gap,
        "cost_usd": plan.cost_usd,
        "solver": plan.solver,
        "seconds": plan.seconds,
    }


def show(plan: Plan, demands: list[Demand], types: list[InstanceType]) -> None:
    if plan.placements:
        console.print(fleet(plan, demands, types))
    tasks = sum(plan.placed().values())
    console.print(f"{tasks:,} tasks on {instances(plan):,} instances, {money_words(plan)}")
    if plan.unplaced:
        console.print(unplaced(plan, demands))


def instances(plan: Plan) -> int:
    return sum(placement.instances for placement in plan.placements)


def money_words(plan: Plan) -> str:
    words = f"[bold]{plan.cost_usd_hour:,.4f} USD an hour[/]"
    if plan.cost_usd is not None:
        return f"{words}; {plan.cost_usd:,.4f} USD until the last task ends ({plan.solver})"
    if not plan.cost_usd_hour:
        return words
    if not plan.bound_usd_hour:
        return f"{words}; no bound was proven in {plan.seconds:.2f} s"
    proof = f"at most {plan.gap:.2%} above the proven bound of {plan.bound_usd_hour:,.4f}"
    return f"{words}, {proof} ({plan.solver}, {plan.seconds:.2f} s)"


def fleet(plan: Plan, demands: list[Demand], types: list[InstanceType]) -> Table:
    """Each filling with its picture, the most expensive first."""
    kinds, wanted = {kind.key: kind for kind in types}, {demand.key: demand for demand in demands}
    table = Table(box=box.SIMPLE)
    for name in ("n", "type", "USD/h", "vCPU", "memory", "GPUs", "tasks"):
        table.add_column(name, no_wrap=True)
    order = sorted(plan.placements, key=lambda one: (-cost(one, kinds), one.host))
    for placement in order[:SHOWN]:
        kind = kinds[placement.host]
        shapes = [wanted[key].shape * tasks for key, tasks in placement.contents.items()]
        used = sum(shapes[1:], start=shapes[0])
        room = kind.capacity
        table.add_row(
            f"{placement.instances:,}",
            placement.host,
            f"{cost(placement, kinds):,.2f}",
            bar(used.vcpu, room.vcpu),
            bar(used.memory_mib, room.memory_mib),
            bar(used.gpus, room.gpus),
            f"{sum(placement.contents.values()):,}",
        )
    if len(order) > SHOWN:
        table.caption = f"and {len(order) - SHOWN} fillings more; --json has them all"
    return table


def cost(placement: Placement, kinds: dict[str, InstanceType]) -> float:
    return (kinds[placement.host].price_usd_hour or 0.0) * placement.instances


def bar(used: float, room: float) -> str:
    """How full, as a bar and in percent; nothing where there is no room at all."""
    if not room:
        return ""
    full = round(BAR * used / room)
    return f"[green]{'█' * full}[/][dim]{'░' * (BAR - full)}[/] {used / room:4.0%}"


def unplaced(plan: Plan, demands: list[Demand]) -> Table:
    from packer.triage import words

    wanted = {demand.key: demand for demand in demands}
    table = Table("not placed", "tasks", "reason", "in particular")
    for one in plan.unplaced[:SHOWN]:
        what = words(wanted[one.key].shape)
        table.add_row(what, f"{one.count:,}", one.reason.value, one.detail)
    if len(plan.unplaced) > SHOWN:
        table.caption = f"and {len(plan.unplaced) - SHOWN} more; --json has them all"
    return table
