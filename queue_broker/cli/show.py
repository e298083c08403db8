"""Answers as tables for people, or as JSON for programs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from math import exp

from pydantic import BaseModel
from rich.markup import escape
from rich.table import Table

from headgate.estimate import Estimate, Quantiles
from headgate.lifecycle import State
from headgate.progress import done, summary
from headgate.resources import Resources
from headgate.views import (
    AttemptView,
    Foretold,
    JobList,
    JobView,
    QueueView,
    Shape,
    TaskList,
    TaskView,
)
from queue_broker.cli.screen import columns, console
from queue_broker.dashboard import wording

#: Reasons and ways that an estimate is shown with: the strongest, the cheapest.
MOST_REASONS, MOST_WAYS = 8, 5
#: Columns from which on a list of jobs also says their age; and tier and tenant.
ROOMY, WIDE = 72, 110
COLOURS = {State.SUCCEEDED: "green", State.FAILED: "red", State.RUNNING: "cyan"}


def print_json(view: BaseModel) -> None:
    print(view.model_dump_json(indent=2))


def print_facts(**facts: object) -> None:
    """Names and values, those that there are."""
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        if value not in (None, "", {}):
            table.add_row(f"[dim]{name.replace('_', ' ')}[/]", str(value))
    console.print(table)


def print_job(view: JobView, shapes: list[Shape]) -> None:
    told = summary(view) if view.array else escape(view.reason or "")
    print_facts(
        job=view.job_id,
        name=view.name,
        state=f"{coloured(view.state)} {told}",
        tier=f"{view.tier}, tenant {view.tenant}, queue {view.queue}, priority {view.priority}",
        submitted=moment(view.submitted_at_s),
        started=moment(view.started_at_s),
        finished=moment(view.finished_at_s),
    )
    waiting = [shape for shape in shapes if shape.tasks_waiting]
    if waiting:
        console.print()
        console.print(shape_table(waiting))


def shape_table(shapes: list[Shape]) -> Table:
    table = columns("waiting", "state", "will be given", "source", "held because")
    for shape in shapes:
        foretold = shape.estimate
        table.add_row(
            f"{shape.tasks_waiting:,}",
            coloured(shape.state),
            amount(foretold.allocation) if foretold else "-",
            foretold.source if foretold else "-",
            escape(shape.hold or ""),
        )
    return table


def print_jobs(page: JobList, filters: str = "", chosen: bool = False) -> None:
    """`filters` are said again for the next page; `chosen`: there may be jobs."""
    if page.jobs:
        console.print(job_table(page.jobs))
    elif chosen:
        console.print("No such job. Without filters: headgate list")
    else:
        console.print("No jobs yet. Submit one: headgate submit --wait -- echo hello")
    if page.next:
        more = f"more: headgate list{escape(filters)} --after {page.next}"
        console.print(f"[dim]{more}[/]", soft_wrap=True)  # to be copied whole


def job_table(jobs: Sequence[JobView]) -> Table:
    """In 80 columns what tells jobs apart; in more also whose they are, and when they came."""
    roomy, wide, now_s = console.width >= ROOMY, console.width >= WIDE, time.time()
    table = columns()
    ages = (("age", 6),) if roomy else ()
    for name, least in (("id", 36), ("state", 9), ("done", 5), *ages):
        table.add_column(name, no_wrap=True, min_width=least)  # an id is to be copied whole
    for name in ("name", "tier", "tenant", "submitted") if wide else ("name",):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for view in jobs:
        age = (wording.age(now_s - view.submitted_at_s),) if roomy else ()
        more = (view.tier, view.tenant, moment(view.submitted_at_s)) if wide else ()
        facts = (view.job_id, coloured(view.state), done_words(view))
        table.add_row(*facts, *age, view.name, *more)
    return table


def done_words(view: JobView) -> str:
    """Of a sweep, how much has ended; `100 %` says that all has."""
    if not view.array:
        return ""
    ended = done(view)
    return "100 %" if ended == view.size else f"{min(99, 100 * ended // view.size)} %"


def print_tasks(page: TaskList, words: str) -> None:
    """`words` are said again for the next page."""
    if page.tasks:
        table = columns("task", "state")
        for row in page.tasks:
            table.add_row(str(row.index), coloured(row.state))
        console.print(table)
    else:
        console.print("No such task.")
    if page.next is not None:
        more = f"more: headgate tasks{escape(words)} --after {page.next}"
        console.print(f"[dim]{more}[/]", soft_wrap=True)


def print_task(view: TaskView) -> None:
    print_facts(
        task=f"{view.job_id}:{view.index}",
        state=f"{coloured(view.state)} {escape(view.reason or '')}",
        command=escape(" ".join(view.command)),
        parameters=escape(", ".join(f"{name}={value}" for name, value in view.parameters.items())),
        estimate=estimate_words(view.estimate) if view.estimate else None,
    )
    if view.attempts:
        console.print()
        console.print(attempt_table(view.attempts))


def attempt_table(attempts: list[AttemptView]) -> Table:
    table = columns("attempt", "lane", "given", "used at most", "took", "ended")
    for one in attempts:
        peak = one.usage.peak_memory_mib if one.usage else None
        took = f"{one.usage.runtime_s:,.1f} s" if one.usage else "-"
        ended = "-" if one.cause is None else f"{one.cause}, exit code {one.exit_code}"
        table.add_row(
            str(one.attempt),
            one.lane,
            amount(one.allocation),
            "-" if peak is None else f"{peak:,.0f} MiB",
            took,
            escape(one.reason or ended),
        )
    return table


def print_queue(view: QueueView) -> None:
    table = columns("tier", "tenant", "waiting", "starting", "running")
    for one in view.backlog:
        waits = sum(one.counts.get(s, 0) for s in (State.SUBMITTED, State.PENDING, State.RUNNABLE))
        starts, runs = one.counts.get(State.STARTING, 0), one.counts.get(State.RUNNING, 0)
        table.add_row(one.tier, one.tenant, f"{waits:,}", f"{starts:,}", f"{runs:,}")
    nothing = "Nothing waits, and nothing runs. What there was: headgate list"
    console.print(table if view.backlog else nothing)
    if view.held:
        held = columns("held", "job", "tier", "tenant", "because")
        for group in view.held:
            held.add_row(
                f"{group.tasks_waiting:,}",
                group.name,
                group.tier,
                group.tenant,
                escape(group.reason),
            )
        console.print()
        console.print(held)


def print_foretold(foretold: Foretold) -> None:
    estimate, gpu = foretold.estimate, foretold.estimate.gpu_memory_mib
    print_facts(
        tier=f"{foretold.tier}, tenant {foretold.tenant}",
        would_be_given=amount(estimate.allocation),
        memory=quantiles(estimate.memory_mib, "MiB"),
        vcpu=quantiles(estimate.vcpu, "vCPU"),
        runtime=quantiles(estimate.runtime_s, "s"),
        GPU_memory=quantiles(gpu, "MiB") if gpu else None,
        smallest_GPU=foretold.gpu,
        source=estimate.source,
        because=escape(estimate.why),
        known="\n".join(
            f"{count:,} of {escape(name)}" for name, count in foretold.families.items()
        ),
        model=estimate.model_version,
        lanes=", ".join(foretold.fits) or "none that could run it",
    )
    tables = (contribution_table, price_table, neighbour_table)
    for table in filter(None, (make(foretold) for make in tables)):
        console.print()
        console.print(table)


def contribution_table(foretold: Foretold) -> Table | None:
    """What the model makes of the job, whoever spoke in the end."""
    strongest = sorted(foretold.contributions.items(), key=lambda one: (-abs(one[1]), one[0]))
    table = columns("what the model goes by", "times the memory")
    for name, added in strongest[:MOST_REASONS]:
        table.add_row(escape(name), f"{exp(added):.2f}")
    return table if strongest else None


def price_table(foretold: Foretold) -> Table | None:
    """The ways of foretelling memory that were tried on the family's past."""
    table = columns("ways of foretelling", "cost so far, of the median's")
    for name, price in list(foretold.prices.items())[:MOST_WAYS]:
        table.add_row(name, f"{price:.3g}")
    return table if foretold.prices else None


def neighbour_table(foretold: Foretold) -> Table | None:
    """The past jobs that are most like this one."""
    table = columns("nearest past jobs", "memory", "runtime", "what was known")
    for one in foretold.neighbours:
        known = ", ".join(f"{name} {number(value)}" for name, value in one.inputs.items())
        memory, runtime = f"{one.memory_mib:,.0f} MiB", f"{number(one.runtime_s)} s"
        table.add_row(moment(one.finished_at_s), memory, runtime, escape(known))
    return table if foretold.neighbours else None


def estimate_words(estimate: Estimate) -> str:
    return f"{amount(estimate.allocation)}, by {estimate.source}: {escape(estimate.why)}"


def amount(given: Resources) -> str:
    gpus = f", {given.gpus} GPU" if given.gpus else ""
    return f"{given.vcpu:g} vCPU, {given.memory_mib:,} MiB{gpus}"


def quantiles(foretold: Quantiles, unit: str) -> str:
    return f"half below {number(foretold.p50)}, 95 % below {number(foretold.p95)} {unit}"


def number(value: float) -> str:
    """Four digits, and all of those before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def coloured(state: State) -> str:
    colour = COLOURS.get(state)
    return f"[{colour}]{state}[/]" if colour else state


def moment(at_s: float | None) -> str:
    """A time as this machine's clock shows it."""
    if at_s is None:
        return ""
    return datetime.fromtimestamp(at_s, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
