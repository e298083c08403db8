"""`headgate history`: bring in what was measured before Headgate came."""

from __future__ import annotations

import csv
import gzip
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from headgate.errors import InvalidInput, Unavailable
from queue_broker.cli.arrivals import export
from queue_broker.cli.screen import console

if TYPE_CHECKING:
    import pandas as pd

    from queue_broker.ports import Lake
    from training.imports import Import

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="markdown")

#: Of equals the first: a table of one column has none.
SEPARATORS = (",", "\t", ";")
#: DescribeJobs takes so many ids at once.
DESCRIBED = 100
#: How long a broker may take to say that it is one.
ASKED_S = 3.0
STATES = ("SUCCEEDED", "FAILED")
#: Cells that say nothing, as table programs write them; the last is a separator at a row's end.
GAPS = (None, "", "NA", "N/A", "n/a", "<NA>", "NaN", "nan", "NULL", "null", "None", [""])
#: Rows of the lake that are compared at once.
AT_ONCE = 10_000
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
    fresh = 0 if dry_run else keep(found, lake_of(read_settings(data_dir=data_dir)))
    show(found, fresh, dry_run)


def read_file(file: Path, zone: str) -> Import:
    """A table or a trace, by its suffix and its columns; a folder is one of Parquet files."""
    import pandas as pd

    from training.import_nextflow import from_trace, is_trace
    from training.import_table import from_frame

    try:
        if file.is_dir() or file.suffix == ".parquet":
            return from_frame(pd.read_parquet(file))
        separator, columns = heading(file)
        if is_trace(columns):
            return from_trace(trace(file, separator), zone, file.stat().st_mtime)
        return from_frame(table(file, separator))
    except InvalidInput:
        raise
    except (ValueError, OSError, csv.Error) as error:
        raise InvalidInput.of(
            "FILE", str(file), f"a readable CSV or Parquet file ({error})"
        ) from error


def opened(file: Path) -> TextIO:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8-sig", newline="")
    return file.open(encoding="utf-8-sig", newline="")


def heading(file: Path) -> tuple[str, list[str]]:
    """The separator, which Nextflow lets a user choose, and the columns."""
    with opened(file) as lines:
        first = lines.readline()
    if not first.strip():
        raise ValueError("its first line is empty")
    separator = max(SEPARATORS, key=first.count)
    return separator, next(csv.reader([first], delimiter=separator), [])


def table(file: Path, separator: str) -> pd.DataFrame:
    """The cells as text, without gaps; those beyond the columns are kept as one more."""
    import pandas as pd

    from training.imports import SURPLUS

    with opened(file) as lines:
        rows = csv.DictReader(lines, delimiter=separator, restkey=SURPLUS)
        found = [{name: cell for name, cell in row.items() if cell not in GAPS} for row in rows]
        return pd.DataFrame(found, columns=[*(rows.fieldnames or ()), SURPLUS], dtype=object)


def trace(file: Path, separator: str) -> pd.DataFrame:
    """Nextflow puts nothing in quotes, and a cell may hold them, or the separator: then a row has
    cells to spare. A trace with commas was written by something else.
    """
    import pandas as pd

    from training.imports import SURPLUS

    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if separator == "," else csv.QUOTE_NONE
    with opened(file) as lines:
        rows = csv.DictReader(lines, delimiter=separator, quoting=quoting, restkey=SURPLUS)
        return pd.DataFrame(list(rows), columns=[*(rows.fieldnames or ()), SURPLUS], dtype=object)


def read_batch(queue: str) -> Import:
    """The finished jobs that AWS Batch still describes; tasks of arrays one by one."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from training.import_batch import from_describe_jobs

    try:
        client = boto3.client("batch")
        url = client.meta.endpoint_url
        refuse_broker(url)
        console.print(f"asking {url} for the jobs of {escape(queue)}")
        with waiting() as bar:
            listing = bar.track(job_ids(client, {"jobQueue": queue}), description="listed")
            ids = list(listing)
            told = bar.track(described(client, ids), total=len(ids), description="described")
            return from_describe_jobs(told)
    except (BotoCoreError, ClientError) as error:
        raise Unavailable(f"AWS Batch could not be read: {error}") from error


def refuse_broker(url: str) -> None:
    """A variable meant for clients of the broker leads here too."""
    if "amazonaws.com" not in url and is_broker(url):
        allowed = (
            "AWS Batch itself, since a broker's own jobs are in its history already: unset "
            "AWS_ENDPOINT_URL_BATCH, or endpoint_url in the AWS configuration, for this call"
        )
        raise InvalidInput.of("--from-batch", f"the Headgate broker at {url}", allowed)


def is_broker(url: str) -> bool:
    import httpx

    try:
        told = httpx.get(f"{url.rstrip('/')}/healthz", timeout=ASKED_S).json()
    except (httpx.HTTPError, ValueError):
        return False
    return isinstance(told, dict) and told.get("service") == "headgate"


def waiting() -> Progress:
    """How far the calls are, for people; a pipe or a log gets nothing of it."""
    screen = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)


def job_ids(client: Any, where: Mapping[str, str]) -> Iterator[str]:
    for state in STATES:
        pages = client.get_paginator("list_jobs").paginate(**where, jobStatus=state)
        for page in pages:
            for job in page["jobSummaryList"]:
                if "size" in job.get("arrayProperties", {}):
                    yield from job_ids(client, {"arrayJobId": job["jobId"]})
                else:
                    yield job["jobId"]


def described(client: Any, ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for start in range(0, len(ids), DESCRIBED):
        yield from client.describe_jobs(jobs=list(ids[start : start + DESCRIBED]))["jobs"]


def keep(found: Import, lake: Lake) -> int:
    """Write what the lake does not have yet; returns how many."""
    import pyarrow as pa

    from predictor.history import SCHEMA, from_table
    from training.imports import identity, unseen

    if not found.observations:
        return 0
    since_s = min(item.finished_at_s for item in found.observations)
    table = pa.Table.from_pandas(lake.read(since_s=since_s), schema=SCHEMA, preserve_index=False)
    parts = table.to_batches(max_chunksize=AT_ONCE)  # as observations they take ten times as much
    known = chain.from_iterable(from_table(pa.Table.from_batches([part])) for part in parts)
    fresh = unseen(found.observations, known)
    if fresh:
        content = "\n".join(repr(identity(item)) for item in fresh)
        lake.write(fresh, f"import-{hashlib.sha256(content.encode()).hexdigest()[:16]}")
    return len(fresh)


def show(found: Import, fresh: int, dry_run: bool) -> None:
    read = len(found.observations) + len(found.dropped)
    known = len(found.observations) - fresh
    kept = (
        "nothing was written (--dry-run)" if dry_run else f"{fresh:,} new, {known:,} known before"
    )
    console.print(f"{read:,} rows: {len(found.observations):,} read, {kept}")
    if not found.dropped:
        return
    table = Table("dropped", "rows", "for this reason", box=None, header_style="bold")
    reasons = found.reasons
    for reason, rows in list(reasons.items())[:MOST_REASONS]:
        more = ", ..." if len(rows) > MOST_ROWS else ""
        named = ", ".join(map(str, rows[:MOST_ROWS])) + more
        table.add_row(f"{len(rows):,}", named, escape(reason))
    console.print(table)
    if len(reasons) > MOST_REASONS:
        console.print(f"and {len(reasons) - MOST_REASONS:,} more reasons")
