"""`headgate history`: bring in what was measured before Headgate came."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from headgate.errors import InvalidInput
from queue_broker.cli.arrivals import export
from queue_broker.cli.remembered import read_batch
from queue_broker.cli.screen import console
from queue_broker.cli.tabled import read_file

if TYPE_CHECKING:
    from queue_broker.ports import Lake
    from training.imports import Import

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="markdown")

#: Reasons that are told, and rows that are named for each.
MOST_REASONS, MOST_ROWS = 20, 5


app.command()(export)


@app.callback()
def history() -> None:
    """The history of jobs: what the predictor learns from."""


@app.command("import")
def import_(
    file: Annotated[
        Path | None, typer.Argument(exists=True, help="CSV, Parquet (or a folder), or a trace.")
    ] = None,
    *,
    from_batch: Annotated[
        str | None, typer.Option(metavar="QUEUE", help="What AWS Batch still remembers of a queue.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="The broker's data folder.")] = None,
    zone: Annotated[str, typer.Option(help="The time zone of a trace's times.")] = "UTC",
    dry_run: Annotated[bool, typer.Option(help="Check everything, and write nothing.")] = False,
) -> None:
    """Bring in a history, so that the first night is not a cold start.

    FILE is a table in the documented format (docs/reference/history.md), or a Nextflow trace. Each
    row is checked; what is dropped is counted by its reason. It is safe to run twice.

        headgate history import trace.txt
        headgate history import jobs.parquet --dry-run
        headgate history import --from-batch my-queue
    """
    from queue_broker.cli.kept import lake_of
    from queue_broker.settings import read_settings

    if (file is None) == (from_batch is None):
        raise InvalidInput.of(
            "FILE", "both" if file else "neither", "a FILE, or --from-batch QUEUE"
        )
    found = read_file(file, zone) if file else read_batch(str(from_batch))
    lake = None if dry_run else lake_of(read_settings(data_dir=data_dir))
    show(bring_in(found, lake))


@dataclass(slots=True)
class Tally:
    """What became of the rows; `fresh` is None where nothing was to be written."""

    read: int = 0
    fresh: int | None = None
    dropped: list[tuple[int, str]] = field(default_factory=list)


def bring_in(found: Iterable[Import], lake: Lake | None) -> Tally:
    """Read everything, and then write what the lake does not have yet."""
    from queue_broker.cli.staged import Staged

    tally = Tally()
    with TemporaryDirectory() as folder, Staged(Path(folder)) as staged:
        for some in found:
            tally.read += len(some.observations)
            tally.dropped += some.dropped
            if lake:
                staged.put(some.observations)
        if lake:
            tally.fresh = staged.keep(lake)
    return tally


def show(tally: Tally) -> None:
    from training.imports import by_reason

    kept = "nothing was written (--dry-run)"
    if tally.fresh is not None:
        kept = f"{tally.fresh:,} new, {tally.read - tally.fresh:,} known before"
    console.print(f"{tally.read + len(tally.dropped):,} rows: {tally.read:,} read, {kept}")
    if not tally.dropped:
        return
    table = Table("dropped", "rows", "for this reason", box=None, header_style="bold")
    reasons = by_reason(tally.dropped)
    for reason, rows in list(reasons.items())[:MOST_REASONS]:
        more = ", ..." if len(rows) > MOST_ROWS else ""
        named = ", ".join(map(str, rows[:MOST_ROWS])) + more
        table.add_row(f"{len(rows):,}", named, escape(reason))
    console.print(table)
    if len(reasons) > MOST_REASONS:
        console.print(f"and {len(reasons) - MOST_REASONS:,} more reasons")
