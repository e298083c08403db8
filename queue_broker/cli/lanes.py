"""`headgate lanes`: which few lanes to have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from queue_broker.cli.tables import any_arch, read_demands, read_types

if TYPE_CHECKING:
    from packer.lanes import Portfolio

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")
console = Console(highlight=False)


@app.callback()
def lanes() -> None:
    """Plan the lanes: the instance shapes that jobs are leaked to, each a queue in AWS Batch."""


@app.command()
def plan(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A history of demands.")
    ],
    *,
    most: Annotated[int, typer.Option(min=1, max=50, help="At most so many lanes.")] = 50,
    catalogue: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Else the built-in one.")
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option(help="Only such types, as c6 or m5a.; can be repeated.")
    ] = None,
    arch: Annotated[str, typer.Option(help="x86_64, arm64, or any.")] = "x86_64",
    as_json: Annotated[bool, typer.Option("--json", help="The portfolios as JSON.")] = False,
) -> None:
    """Propose the lanes that serve a history of demand at least cost, with the cost of each number.

    The file is a table as `headgate pack` reads it. Nothing is created.

        headgate lanes plan last-month.parquet --most 12
    """
    from packer.lanes import portfolios
    from packer.selection import Selection, select

    types = select(read_types(catalogue), Selection(tuple(family or ()), any_arch(arch)))
    found = portfolios(read_demands(file), types, most)
    if as_json:
        print(json.dumps([to_json(one) for one in found], indent=2))
    else:
        show(found)


def to_json(portfolio: Portfolio) -> dict[str, object]:
    return {
        "lanes": {lane.kind.key: list(lane.members) for lane in portfolio.lanes},
        "cost_usd_hour": portfolio.cost_usd_hour,
        "over_best": portfolio.over_best,
    }


def show(found: list[Portfolio]) -> None:
    if not found:
        console.print("No number of lanes that is allowed serves all of these demands.")
        return
    costs = Table("lanes", "USD/h", "over the best", title="What fewer lanes cost")
    for one in found:
        costs.add_row(f"{len(one.lanes)}", f"{one.cost_usd_hour:,.4f}", f"{one.over_best - 1:.2%}")
    table = Table("lane", "vCPU", "MiB", "GPUs", "USD/h", "types that stand in for each other")
    for lane in found[0].lanes:
        kind = lane.kind
        sizes = (
            f"{kind.capacity.vcpu:g}",
            f"{kind.capacity.memory_mib:,}",
            f"{kind.capacity.gpus}",
        )
        table.add_row(kind.key, *sizes, f"{kind.price_usd_hour:.4f}", ", ".join(lane.members))
    console.print(table, costs)
