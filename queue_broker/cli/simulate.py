"""`headgate simulate`: a trace under one policy or several, in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, SpinnerColumn
from rich.table import Table

from headgate.errors import InvalidInput
from queue_broker.cli.files import check_output
from queue_broker.cli.screen import console

if TYPE_CHECKING:
    from queue_broker.adapters.engines.simulated.model import FleetModel
    from queue_broker.simulation.outcome import Outcome
    from queue_broker.simulation.replay import Setting
    from queue_broker.simulation.trace import Trace

HEADGATE = "headgate"

Lanes = Annotated[
    int,
    typer.Option(
        min=1, max=1000, help="Lanes of the fleet, all alike; fewer where instances are few."
    ),
]
Vcpus = Annotated[
    float | None, typer.Option(min=1, help="Of the fleet; else the trace fills four fifths.")
]
Report = Annotated[Path | None, typer.Option(help="Write an HTML report here.")]


def simulate(
    trace: Annotated[Path, typer.Argument(help="Arrivals, as CSV or Parquet.")],
    *,
    policy: Annotated[
        list[str] | None, typer.Option(help="headgate, or a baseline; can be repeated.")
    ] = None,
    sweep: Annotated[int, typer.Option(min=0, help="Tasks of a sweep on top.")] = 0,
    sweep_runtime_s: Annotated[
        float, typer.Option(min=1, help="Mean run time of its tasks.")
    ] = 215,
    sweep_gpus: Annotated[int, typer.Option(min=0, help="GPUs of each of them.")] = 0,
    production: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the tasks marked production.")
    ] = 0.0,
    lanes: Lanes = 100,
    vcpus: Vcpus = None,
    days: Annotated[float | None, typer.Option(min=0.01, help="Only the first days.")] = None,
    period_s: Annotated[float, typer.Option(min=0.1, help="Seconds between two passes.")] = 10.0,
    report: Report = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same replay.")] = 0,
) -> None:
    """Replay a trace in virtual time, under the cycle that serves and under other schedulers.

        headgate simulate arrivals.csv --policy headgate --policy batch-fifo
        headgate simulate arrivals.parquet --sweep 100000 --report replay.html

    The columns: submit_time_s, duration_s, user; optional tenant, tier, vcpu, memory_mib, gpus,
    memory_used_mib, queue, priority_class. The policies: headgate, batch-fifo,
    batch-fifo-priorities, batch-fair-share, strict-priority, slurm-multifactor, kueue-cohort.
    """
    from headgate.tenancy import DEFAULT_TIERS
    from queue_broker.simulation.fleets import check_tiers, fleet_for
    from queue_broker.simulation.generate import mark
    from queue_broker.simulation.generate import sweep as a_sweep
    from queue_broker.simulation.replay import Setting
    from queue_broker.simulation.trace import read_trace

    policies = policy or [HEADGATE]
    check_policies(policies)
    check_output("--report", report)
    arrivals = read_trace(trace)
    first_s = float(arrivals.submit_s[0])
    if days is not None:
        arrivals = arrivals.between(first_s, first_s + days * 86_400)
    if production:
        arrivals = mark(arrivals, production, "production", seed)
    check_tiers(arrivals, DEFAULT_TIERS)
    setting = Setting(fleet_for(arrivals, lanes, vcpus), period_s=period_s)
    check_gpus(sweep_gpus, setting.model)
    if sweep:
        at_s = first_s + (float(arrivals.submit_s[-1]) - first_s) / 10
        burst = a_sweep(sweep, at_s, sweep_runtime_s, seed, "sweeper", sweep_gpus)
        arrivals = arrivals.merged(burst)
    tell_fleet(setting.model)
    outcomes = [replayed(name, arrivals, setting) for name in policies]
    show(outcomes, report)


def tell_fleet(model: FleetModel) -> None:
    """What is replayed on."""
    lanes, one = model.lanes, model.lanes[0].shape
    instances = sum(lane.instances for lane in lanes)
    gpus = f", GPUs {one.gpus}" if one.gpus else ""
    price = sum(lane.instances * lane.price_usd_hour for lane in lanes)
    console.print(
        f"lanes {len(lanes)}, instances {instances:,}, each of {one.vcpu:g} vCPUs and "
        f"{one.memory_mib / 1024:,.0f} GiB{gpus}; {price:,.2f} USD an hour together"
    )


def check_gpus(wanted: int, model: FleetModel) -> None:
    """Before a replay in which the sweep could never start."""
    most = model.lanes[0].shape.gpus
    if wanted > most:
        allowed = f"{most} at the most, which an instance for this trace has"
        raise InvalidInput.of("--sweep-gpus", wanted, allowed)


def check_policies(names: Sequence[str]) -> None:
    """Before the first of them is replayed; `InvalidInput` names the policies there are."""
    from queue_broker.simulation.baselines import BASELINES

    known = [HEADGATE, *BASELINES]
    for name in names:
        if name not in known:
            raise InvalidInput.of("--policy", name, f"one of {', '.join(known)}")


def replayed(name: str, trace: Trace, setting: Setting) -> Outcome:
    """One replay with its progress bar."""
    from queue_broker.simulation.baselines import BASELINES
    from queue_broker.simulation.direct import Direct
    from queue_broker.simulation.replay import Replay

    with Progress(SpinnerColumn(), *Progress.get_default_columns(), console=console) as bar:
        job = bar.add_task(name, total=len(trace))

        def progress(done: int, of: int) -> None:
            bar.update(job, completed=done, total=of)

        if name == HEADGATE:
            return Replay(trace, setting).run(progress)
        owners = len({str(tenant).split("/", 1)[0] for tenant in trace.tenant})
        return Direct(trace, setting, BASELINES[name](setting.total, owners)).run(progress)


def show(outcomes: Sequence[Outcome], report: Path | None) -> None:
    """The table, and the page where one is wanted."""
    from queue_broker.simulation.report import figures, write_html

    tiers = sorted({str(tier) for tier in outcomes[0].trace.tier})
    table = Table("", *(outcome.policy for outcome in outcomes))
    for name, cells in figures(outcomes, tiers):
        table.add_row(name, *cells)
    console.print(table)
    if report is not None:
        write_html(report, outcomes, tiers)
        console.print(f"the report is in {report}")
