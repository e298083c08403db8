"""`headgate submit`, `sweep` and `estimate`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from headgate.errors import InvalidInput
from headgate.job import Job
from queue_broker.cli.job_options import literal, takes_job
from queue_broker.cli.jobs import goes_on
from queue_broker.cli.main import INTERRUPTED, client
from queue_broker.cli.show import print_foretold, print_json

Wait = Annotated[bool, typer.Option("--wait", help="Wait for the end; print the output.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@takes_job
def submit(job: Job, wait: Wait = False) -> None:
    """Submit one job, and print its id.

    No resources need to be asked for: the broker predicts them. What is asked for is where a kind
    of job that nobody has seen before starts from. On the broker's own machine a task starts in an
    empty folder, so paths are given whole.

    Examples:

        headgate submit -- python "$PWD/train.py" --depth 7
        headgate submit --wait --name etl --tier production --memory 4G -- ./etl.sh
        headgate submit --input s3://bucket/data.parquet=73400320 -- python fit.py
        headgate submit --file job.json
    """
    with handing_in():
        handle = client().submit(job)
    print(handle.id)
    if wait:
        with goes_on(handle.id):
            view = handle.wait()
        print(handle.logs(), end="")  # of a failure all the more
        raise typer.Exit(0 if view.succeeded else 1)


@takes_job
def sweep(
    job: Job,
    grid: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE,VALUE,... or NAME=FROM..TO; repeat.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="A task for each row of a CSV, NDJSON or Parquet file.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="So many tasks, told apart by index.")] = None,
    wait: Wait = False,
) -> None:
    """Submit many tasks made from one template, and print the sweep's id.

    `Ref::NAME` in the command becomes the task's value of that name; every task also has its
    index in AWS_BATCH_JOB_ARRAY_INDEX.

    Examples:

        headgate sweep --grid lr=0.1,0.01 --grid k=3..9 -- ./fit Ref::lr Ref::k
        headgate sweep --table trials.parquet -- python fit.py --seed Ref::seed
        headgate sweep --size 1000 -- ./simulate.sh
    """
    spread = axes(grid) if grid else None
    with handing_in():
        handle = client().submit_sweep(job, grid=spread, table=table, size=size)
    print(handle.id)
    if wait:
        with goes_on(handle.id):
            view = handle.wait()
        raise typer.Exit(0 if view.succeeded else 1)


@takes_job
def estimate(job: Job, json: AsJson = False) -> None:
    """Say what a job would get if it were submitted now, and why. Nothing is submitted.

    Examples:

        headgate estimate -- python train.py --depth 7
        headgate estimate --tier production --input data.csv --json -- python fit.py
    """
    foretold = client().estimate(job)
    print_json(foretold) if json else print_foretold(foretold)


@contextmanager
def handing_in() -> Iterator[None]:
    """Ctrl-C between the sending and the answer: nobody here knows whether it was taken."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("Stopped by Ctrl-C. Whether it was submitted says: headgate list", err=True)
        raise typer.Exit(INTERRUPTED) from None


def axes(given: list[str]) -> dict[str, Sequence[Any]]:
    """The axes by name; one that is given twice is a slip."""
    found: dict[str, Sequence[Any]] = {}
    for text in given:
        name, values = axis(text)
        if name in found:
            raise InvalidInput.of("--grid", text, f"each name once; {name} was given before")
        found[name] = values
    return found


def axis(text: str) -> tuple[str, Sequence[Any]]:
    """`lr=0.1,0.01` or `depth=3..9` (both ends belong to it)."""
    name, equals, values = text.partition("=")
    if not name or not equals:
        raise InvalidInput.of("--grid", text, "NAME=VALUE,VALUE,... or NAME=FROM..TO")
    first, dots, last = values.partition("..")
    if dots and whole(first) and whole(last):
        return name, ascending(text, int(first), int(last))
    return name, [literal(value) for value in values.split(",")] if values else []


def ascending(text: str, first: int, last: int) -> range:
    """Not spelt out here: it may be far longer than a grid may be."""
    if first > last:
        raise InvalidInput.of("--grid", text, "NAME=FROM..TO with FROM no greater than TO")
    return range(first, last + 1)


def whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
