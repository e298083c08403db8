"""`headgate what-if`: one trace under two settings, in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from queue_broker.cli.files import check_output, read_limits
from queue_broker.cli.simulate import HEADGATE, Lanes, Report, Vcpus, replayed, show, tell_fleet

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command("what-if")
def what_if(
    trace: Annotated[Path, typer.Argument(help="Arrivals, as CSV or Parquet: last week's, say.")],
    *,
    now: Annotated[Path, typer.Option(help="Limits as they are, as JSON.")],
    then: Annotated[Path, typer.Option(help="Limits as they might be, as JSON.")],
    lanes: Lanes = 100,
    vcpus: Vcpus = None,
    report: Report = None,
) -> None:
    """Compare two settings of tiers and tenants on the same arrivals.

        headgate what-if last-week.parquet --now limits.json --then tighter.json

    A file of limits is what `headgate tenants export` writes: {"tiers": [...], "tenants": [...]}.
    """
    from dataclasses import replace

    from queue_broker.simulation.fleets import check_tiers, fleet_for
    from queue_broker.simulation.replay import Setting
    from queue_broker.simulation.trace import read_trace

    settings = {
        f"now: {now.stem}": read_limits("--now", now),
        f"then: {then.stem}": read_limits("--then", then),
    }
    check_output("--report", report)
    arrivals = read_trace(trace)
    model = fleet_for(arrivals, lanes, vcpus)
    for limits in settings.values():
        check_tiers(arrivals, limits.tiers)
    tell_fleet(model)
    outcomes = []
    for name, limits in settings.items():
        setting = Setting(model, tiers=limits.tiers, tenants=limits.tenants)
        outcomes.append(replace(replayed(HEADGATE, arrivals, setting), policy=name))
    show(outcomes, report)
