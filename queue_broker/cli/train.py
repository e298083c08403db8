"""`headgate train`: the nightly job by hand."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from headgate.errors import InvalidInput
from queue_broker.cli.screen import console, waiting
from queue_broker.dashboard import wording

if TYPE_CHECKING:
    from queue_broker.settings import Settings
    from training.nightly import TrainingResult
    from training.thinning import Thinned

#: Attempts that are learnt from: some quarter of an hour of one core, and 3 GiB.
MOST_ROWS = 200_000
#: Rows of the lake that are read at once.
AT_ONCE = 50_000
ENDED = "finished_at_s"
#: The figures of a back-test in words, and how each is written.
FIGURES = {
    "jobs": ("held-out attempts", wording.count),
    "cost_gbh": ("cost, GB h: what is unused, and, dearer, what is lost", wording.number),
    "wasted_gbh": ("unused, GB h", wording.number),
    "failures": ("would have been killed", wording.count),
    "coverage": ("memory below its 95 % bound", wording.percent),
    "memory_error": ("memory, mean error", wording.error),
    "runtime_error": ("runtime, mean error", wording.error),
}


def train(
    data_dir: Annotated[Path | None, typer.Option(help="The broker's data folder.")] = None,
    days: Annotated[float, typer.Option(min=0.01, help="How much history to learn from.")] = 90,
    use: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Train nothing; go back to this model.")
    ] = None,
) -> None:
    """Learn from the history, prove the new model on its latest part, and publish what is better.

    The broker takes a promoted model up by itself within seconds. Where the new one is not better,
    the old one stays and the reason is said. Run it nightly:

        headgate train
        0 3 * * *  headgate train --data-dir /var/lib/headgate
        headgate train --use 9a6e0cdbe0e9
    """
    from queue_broker.settings import read_settings

    settings = read_settings(data_dir=data_dir)
    if not settings.data_dir.is_dir():  # in the wrong folder there is nothing to learn, every night
        allowed = "the broker's data folder, where its models are"
        raise InvalidInput.of("--data-dir", str(settings.data_dir), allowed)
    if use is not None:
        go_back(settings, use)
        return
    result, current = train_once(settings, days)
    show(result, current)


def train_once(settings: Settings, days: float) -> tuple[TrainingResult, str | None]:
    """Read the lake, train, publish if promoted, and note why; also the version in use then."""
    import time

    from headgate.views import Training
    from queue_broker.adapters.registry import FolderRegistry
    from training.gate import Promote
    from training.nightly import train as train_on

    registry, now_s = FolderRegistry(settings.data_dir / "models"), time.time()
    history = read_history(settings, now_s - days * 86_400)
    seen, kept = history.seen, history.rows.num_rows
    if kept < seen:
        console.print(f"learning from {kept:,} of {seen:,} attempts: as many of each kind of job")
    with console.status(f"training on {kept:,} attempts of the last {days:g} days"):
        result = train_on(history.rows, registry.load())
    promoted = result.model is not None and isinstance(result.decision, Promote)
    version = registry.publish(result.model) if promoted and result.model else None
    reason = result.decision.reason
    registry.note(Training(at_s=now_s, promoted=promoted, reason=reason, version=version))
    return result, registry.current_version()


def read_history(settings: Settings, since_s: float) -> Thinned:
    """What ended since then, or as much of it as can be learnt from in a night."""
    import pyarrow as pa

    from predictor.history import SCHEMA
    from queue_broker.cli.kept import lake_of, spans
    from training.thinning import Thinned

    lake, history = lake_of(settings), Thinned(MOST_ROWS)
    ends = lake.read(since_s=since_s, columns=[ENDED])[ENDED].to_numpy()
    with waiting() as bar:
        for begin_s, end_s in bar.track(spans(ends, AT_ONCE), description="read"):
            rows = lake.read(since_s=begin_s, until_s=end_s)
            history.add(pa.Table.from_pandas(rows, schema=SCHEMA, preserve_index=False))
    return history


def go_back(settings: Settings, version: str) -> None:
    """To a model that was published before; what trainings came to tells of it too."""
    import time

    from headgate.views import Training
    from queue_broker.adapters.registry import FolderRegistry

    registry = FolderRegistry(settings.data_dir / "models")
    if version not in registry.versions():
        known = ", ".join(registry.versions()) or "none yet"
        raise InvalidInput.of("--use", version, f"one of the models, oldest first: {known}")
    registry.use(version)
    note = Training(at_s=time.time(), promoted=True, reason="chosen by hand", version=version)
    registry.note(note)
    console.print(f"{version} is in use; brokers take it up within seconds", markup=False)


def show(result: TrainingResult, current: str | None) -> None:
    console.print(f"{verdict(result, current)}: {result.decision.reason}")
    if result.report and rows_of(result.report)[0]["jobs"]:
        console.print(report_table(result.report))


def verdict(result: TrainingResult, current: str | None) -> str:
    from training.gate import Promote

    if isinstance(result.decision, Promote):
        return f"[green]promoted[/green] as {current}"
    return f"[yellow]kept[/yellow] {current}" if current else "[yellow]no model yet[/yellow]"


def report_table(report: dict[str, Any]) -> Table:
    """The back-test of the new model beside the current one's, on the same held-out jobs."""
    table = Table("on the latest part of the history", box=None, header_style="bold")
    for name in report:
        table.add_column(name, justify="right")
    rows = rows_of(report)
    for figure, (words, show_it) in FIGURES.items():
        table.add_row(words, *(show_it(row[figure]) for row in rows))
    return table


def rows_of(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [score if isinstance(score, dict) else asdict(score) for score in report.values()]
