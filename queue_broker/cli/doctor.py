"""`headgate doctor`: whether an AWS account has what the broker needs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from queue_broker.cli.screen import Screen

if TYPE_CHECKING:
    from queue_broker.adapters.doctor.findings import Finding

console = Screen(soft_wrap=True)
SIGNS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failure": ("✗", "red")}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON.")] = False,
) -> None:
    """Check the live AWS account: permissions, lanes, limits, queues, clock and lag.

    Nothing is changed. The settings are the broker's (headgate.toml, HEADGATE_...), and so should
    the credentials be. What is wrong is said with what mends it; the exit code is 1 where jobs
    cannot run.

        AWS_PROFILE=headgate headgate doctor
    """
    import boto3

    from queue_broker.adapters.doctor.examine import examine
    from queue_broker.adapters.doctor.findings import Account, Level
    from queue_broker.settings import read_settings

    settings = read_settings()
    found = examine(Account(settings, boto3.Session(region_name=settings.aws_region)))
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        show(found)
    if any(one.level is Level.FAILURE for one in found):
        raise typer.Exit(1)


def show(found: list[Finding]) -> None:
    width = max(len(one.check) for one in found)
    for one in found:
        sign, colour = SIGNS[one.level]
        # As text: what AWS says may hold what looks like markup.
        console.print(Text.assemble((sign, colour), f" {one.check:{width}}  {one.says}"))
        if one.mend:
            console.print(Text.assemble((" " * (width + 4) + "→ ", "dim"), one.mend))
