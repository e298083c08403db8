"""`headgate tenants`: who shares the fleet and by what right, live and on record."""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from queue_broker.cli.files import read_limits
from queue_broker.cli.kept import database_of
from queue_broker.cli.screen import columns, console

if TYPE_CHECKING:
    from queue_broker.core.limits import Limits

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Tenants, tiers and windows, live and on record.",
)

DataDir = Annotated[Path | None, typer.Option(help="The broker's data folder.")]


def bound(words: str) -> Any:
    return typer.Option(min=0, metavar="N", help=words)


@contextmanager
def limits(data_dir: Path | None) -> Iterator[Limits]:
    """The live limits of the broker whose database the settings name."""
    from queue_broker.adapters.store.shelf import SqlShelf
    from queue_broker.adapters.store.store import SqlStore
    from queue_broker.core.limits import Limits

    settings = database_of(data_dir)
    with SqlStore(settings.store_url, time.time) as store:
        shelf = SqlShelf(store.database)
        yield Limits(store, shelf, settings.tiers, time.time, settings.needed_tiers)


@app.command("list")
def list_(data_dir: DataDir = None) -> None:
    """Show all tenants that were ever set or seen.

    headgate tenants list
    """
    table = columns("tenant", "weight", "parent", "quota", "borrows", "running", "starts/min")
    with limits(data_dir) as live:
        found = live.directory.tenants()
    for one in found:
        quota = one.quota.model_dump(exclude_none=True) if one.quota else {}
        words = ", ".join(f"{name} {value:g}" for name, value in quota.items())
        caps = [
            str(cap) if cap is not None else ""
            for cap in (one.max_running, one.max_starts_per_minute)
        ]
        table.add_row(
            one.name,
            f"{one.weight:g}",
            one.parent or "",
            words,
            "yes" if one.borrow else "no",
            *caps,
        )
    nothing = "No tenants yet. Set one: headgate tenants set NAME --weight 2"
    console.print(table if table.rows else nothing)


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(help="Its name; physics/lab stands below physics.")],
    *,
    weight: Annotated[
        float | None,
        typer.Option(metavar="N", help="Its share among its siblings, more than 0."),
    ] = None,
    parent: Annotated[str | None, typer.Option(help="The tenant that it stands below.")] = None,
    quota_vcpu: Annotated[float | None, bound("vCPUs at once.")] = None,
    quota_memory_mib: Annotated[int | None, bound("MiB at once.")] = None,
    quota_gpus: Annotated[int | None, bound("GPUs at once.")] = None,
    quota_usd_hour: Annotated[float | None, bound("USD an hour, of all that it runs.")] = None,
    borrow: Annotated[bool | None, typer.Option(help="May use what siblings leave idle.")] = None,
    max_running: Annotated[int | None, bound("Tasks that run or start at once.")] = None,
    max_starts_per_minute: Annotated[int | None, bound("Tasks that may start in a minute.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Create or change a tenant; what is not given stays. It counts from the next pass on.

    headgate tenants set physics --weight 2 --quota-vcpu 400
    headgate tenants set physics/lab --max-running 200 --no-borrow
    """
    from headgate.tenancy import Quota, Tenant

    asked = {
        "vcpu": quota_vcpu,
        "memory_mib": quota_memory_mib,
        "gpus": quota_gpus,
        "usd_hour": quota_usd_hour,
    }
    quota = given(asked)
    with limits(data_dir) as live:
        known = {one.name: one for one in live.directory.tenants()}.get(name) or Tenant(name=name)
        had = known.quota.model_dump() if known.quota else {}
        wanted = {
            "weight": weight,
            "parent": parent,
            "borrow": borrow,
            "max_running": max_running,
            "max_starts_per_minute": max_starts_per_minute,
            "quota": Quota(**(had | quota)) if quota else None,
        }
        live.set_tenant(Tenant(**(dict(known) | given(wanted))), getpass.getuser())
    console.print(f"{name} is set")


def given(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


@app.command()
def window(
    lane: Annotated[str, typer.Argument(help="The lane's name.")],
    most_s: Annotated[
        float | None, typer.Argument(help="Seconds, more than 0; left out: any.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Bound the predicted seconds of work that may wait in a lane; without a number, free it.

    headgate tenants window lane-m6i 10
    headgate tenants window lane-m6i
    """
    with limits(data_dir) as live:
        live.set_window(lane, most_s, getpass.getuser())
    bound = "adapts freely" if most_s is None else f"holds {most_s:g} s at the most"
    console.print(f"{lane} {bound}")


@app.command()
def tiers(
    file: Annotated[Path, typer.Argument(help="A file of limits; tenants in it stay as they are.")],
    data_dir: DataDir = None,
) -> None:
    """Set the tiers from a file as `export` writes it.

    headgate tenants export > limits.json
    headgate tenants tiers limits.json
    """
    with limits(data_dir) as live:
        live.set_tiers(read_limits("FILE", file).tiers, getpass.getuser())
    console.print("the tiers are set")


@app.command()
def export(data_dir: DataDir = None) -> None:
    """Print tiers and tenants as JSON, for `headgate what-if` and for keeping.

    headgate tenants export > limits.json
    """
    with limits(data_dir) as live:
        typer.echo(live.file().model_dump_json(indent=2, exclude_none=True))


@app.command()
def changes(
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    data_dir: DataDir = None,
) -> None:
    """Show who changed what, newest first.

    headgate tenants changes --limit 100
    """
    table = columns("when", "who", "what", "from > to")
    with limits(data_dir) as live:
        found = live.changes(limit)
    for one in found:
        when = datetime.fromtimestamp(one.at_s, UTC).isoformat(timespec="seconds")
        steps = [step_words(*step) for step in one.differences()]
        table.add_row(when, one.who, one.what, "\n".join(steps))
    console.print(table if table.rows else "Nobody has changed a limit yet.")


def step_words(name: str, old: object, new: object) -> str:
    """What was not set before is told by what it is now."""
    return f"{name}: {new}" if old is None else f"{name}: {old} > {new}"
