"""`headgate what-if`: one trace under two settings, in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from queue_broker.cli.simulate import HEADGATE, replayed, show

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command("what-if")
def what_if(
    trace: Annotated[Path, typer.Argument(help="Arrivals, as CSV or Parquet: last week's, say.")],
    *,
    now: Annotated[Path, typer.Option(help="Limits as they are, as JSON.")],
    then: Annotated[Path, typer.Option(help="Limits as they might be, as JSON.")],
    lanes: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    vcpus: Annotated[float | None, typer.Option(min=1, help="Of the fleet.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report here.")] = None,
) -> None:
    """Compare two settings of tiers and tenants on the same arrivals.

        headgate what-if last-week.parquet --now limits.json --then tighter.json

    A file of limits is what `headgate tenants export` writes: {"tiers": [...], "tenants": [...]}.
    """
    from dataclasses import replace

    from headgate.validation import parse
    from queue_broker.core.limits import LimitsFile
    from queue_broker.simulation.fleets import check_tiers, fleet_for
    from queue_broker.simulation.replay import Setting
    from queue_broker.simulation.trace import read_trace

    arrivals = read_trace(trace)
    model = fleet_for(arrivals, lanes, vcpus)
    outcomes = []
    for path in (now, then):
        limits = parse(LimitsFile, path.read_text())
        check_tiers(arrivals, limits.tiers)
        setting = Setting(model, tiers=limits.tiers, tenants=limits.tenants)
        outcomes.append(replace(replayed(HEADGATE, arrivals, setting), policy=path.stem))
    show(outcomes, report)
