"""`headgate lanes`: which few lanes to have, and having them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from queue_broker.cli.screen import console
from queue_broker.cli.tables import (
    DataDir,
    Days,
    Used,
    Worked,
    chosen_types,
    read_demands,
    read_types,
)

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

    from packer.lanes import Portfolio
    from queue_broker.adapters.lane_orders import Step
    from queue_broker.settings import AwsSettings

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="markdown")


@app.callback()
def lanes() -> None:
    """Plan and make the lanes: the shapes that jobs are leaked to, each a queue in AWS Batch."""


@app.command()
def plan(
    file: Annotated[
        Path | None,
        typer.Argument(exists=True, help="Demands, or what ran; else the broker's own history."),
    ] = None,
    *,
    most: Annotated[int, typer.Option(min=1, max=50, help="At most so many lanes.")] = 50,
    catalogue: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Else the built-in one.")
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option(help="Only such types, as c6 or m5a.; can be repeated.")
    ] = None,
    arch: Annotated[str, typer.Option(help="x86_64, arm64, or any.")] = "x86_64",
    days: Days = 30,
    data_dir: DataDir = None,
    used: Used = False,
    as_json: Annotated[bool, typer.Option("--json", help="The portfolios as JSON.")] = False,
) -> None:
    """Propose the lanes that serve a history of demand at least cost, with the cost of each number.

    Without FILE it is the history of the broker that the settings name. With one, it is a table as
    `headgate pack` reads it. A task counts for as long as it ran. Nothing is created.

        headgate lanes plan
        headgate lanes plan last-month.parquet --most 12
    """
    from packer.lanes import portfolios

    types = chosen_types(catalogue, family, arch)
    found = portfolios(read_demands(file, Worked(days, data_dir, used)), types, most)
    if as_json:
        print(json.dumps([to_json(one) for one in found], indent=2))
    else:
        show(found)


@app.command(name="apply")
def apply_(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="What `plan --json` printed.")
    ],
    *,
    lanes: Annotated[
        int | None,
        typer.Option(min=1, max=50, help="The portfolio of so many lanes; else the first."),
    ] = None,
    catalogue: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Else the built-in one.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Print the difference; change nothing.")] = False,
) -> None:
    """Create and change compute environments and queues until the lanes are there.

    Subnets, security groups and the instance role are those of [aws] in headgate.toml. Doing it
    again changes nothing; lanes that the file does not name are left alone (see `drain`).

        headgate lanes plan --most 12 --json > lanes.json
        headgate lanes apply lanes.json --dry-run
    """
    from queue_broker.adapters.lane_orders import apply_steps, standing
    from queue_broker.cli.portfolio import read_portfolio

    batch, settings = batch_client()
    shapes = read_portfolio(file, lanes, read_types(catalogue))
    do(batch, apply_steps(shapes, settings, standing(batch)), dry_run=dry_run)


@app.command()
def drain(
    lane: Annotated[str, typer.Argument(help="The lane's queue.")],
    *,
    dry_run: Annotated[bool, typer.Option(help="Print the difference; change nothing.")] = False,
) -> None:
    """Let a lane take nothing more. What runs in it runs on; `apply` opens it again.

    headgate lanes drain headgate-m6i-4xlarge
    """
    from queue_broker.adapters.lane_orders import drain_steps, standing

    batch, _ = batch_client()
    do(batch, drain_steps(lane, standing(batch)), dry_run=dry_run)


def batch_client() -> tuple[BatchClient, AwsSettings]:
    from queue_broker.adapters.engines.aws.clients import connect_clients
    from queue_broker.settings import read_settings

    settings = read_settings()
    return connect_clients(settings.aws, settings.aws_region).batch, settings.aws


def do(batch: BatchClient, steps: list[Step], *, dry_run: bool) -> None:
    from queue_broker.adapters.lane_orders import Carrier

    carrier = Carrier(batch)
    for step in steps:
        if not dry_run:
            carrier.carry_out([step])
        console.print(step.words, markup=False)  # after the call: what is told has been done
    if not steps:
        console.print("Nothing to do.")
    elif dry_run:
        console.print(f"{len(steps)} calls would be made; nothing was changed.")


def to_json(portfolio: Portfolio) -> dict[str, object]:
    return {
        "lanes": {lane.kind.key: list(lane.members) for lane in portfolio.lanes},
        "cost_usd": portfolio.cost_usd,
        "over_best": portfolio.over_best,
    }


def show(found: list[Portfolio]) -> None:
    if not found:
        console.print("No number of lanes that is allowed serves all of these demands.")
        return
    costs = Table("lanes", "USD in all", "over the best", title="What fewer lanes cost")
    for one in found:
        costs.add_row(f"{len(one.lanes)}", f"{one.cost_usd:,.2f}", f"{one.over_best - 1:.2%}")
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
