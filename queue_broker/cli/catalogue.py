"""`headgate catalogue`: the instance types that the packer knows."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from headgate.errors import InvalidInput
from queue_broker.cli.files import check_output
from queue_broker.cli.screen import columns, console
from queue_broker.cli.tables import any_arch, read_types

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="markdown")


@app.callback()
def catalogue() -> None:
    """Show and refresh the instance types, with what tasks may have of them and their prices."""


@app.command()
def show(
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Else the built-in one.")
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option(help="Only such types, as c6 or m5a.; can be repeated.")
    ] = None,
    arch: Annotated[str, typer.Option(help="x86_64, arm64, or any.")] = "any",
    generation: Annotated[int, typer.Option(help="The least generation.")] = 5,
    most: Annotated[int | None, typer.Option(min=1, help="At most so many types.")] = None,
) -> None:
    """List the types that a selection keeps.

    headgate catalogue show --family c6a. --arch x86_64
    """
    from packer.selection import Selection, select

    kept = select(
        read_types(file), Selection(tuple(family or ()), any_arch(arch), generation, most)
    )
    table = columns("type", "vCPU", "MiB for tasks", "GPUs", "arch", "USD/h")
    for kind in kept:
        room = kind.capacity
        gpus = f"{room.gpus} {kind.gpu_model} {kind.gpu_memory_mib:,} MiB" if room.gpus else ""
        price = "" if kind.price_usd_hour is None else f"{kind.price_usd_hour:.4f}"
        table.add_row(kind.key, f"{room.vcpu:g}", f"{room.memory_mib:,}", gpus, kind.arch, price)
    nothing = "No such type. All of them: headgate catalogue show --generation 1"
    console.print(table if kept else nothing)


@app.command()
def refresh(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where to write it.")],
    region: Annotated[str, typer.Option(help="The AWS Region.")] = "us-east-1",
) -> None:
    """Write a catalogue file of a Region as it is today, from the EC2 and Pricing APIs.

    Needs ec2:DescribeInstanceTypes, ec2:DescribeSpotPriceHistory and pricing:GetProducts.
    Interruption rates are in no API: where Spot is cheap and taken away often, add them to the
    file's column.

        headgate catalogue refresh catalogue.csv --region eu-central-1
    """
    from packer.catalogue_file import write_rows
    from queue_broker.adapters.catalogue import fetch

    if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region):
        raise InvalidInput.of("--region", region, "a Region's name, as us-east-1")
    check_output("FILE", file)
    rows = fetch(region)
    day = datetime.now(UTC).date().isoformat()
    source = (
        f"EC2 instance types and USD an hour for Linux in {region}, {day}; EC2 and Pricing APIs"
    )
    file.write_text(write_rows(rows, source), encoding="utf-8")
    priced = sum(row.on_demand_usd_hour is not None for row in rows)
    console.print(f"{len(rows):,} types, {priced:,} of them with a price, written to {file}")
