"""`headgate keys`: access keys for clients that speak AWS Batch's protocol."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from headgate.errors import InvalidInput, NotFound
from headgate.job import TenantName
from queue_broker.cli.kept import database_of
from queue_broker.cli.screen import columns, console

if TYPE_CHECKING:
    from queue_broker.ports import Shelf

app = typer.Typer(
    help="Access keys for boto3, the AWS CLI, Metaflow and their like.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
TENANT = TypeAdapter(TenantName)
DataDir = Annotated[Path | None, typer.Option(help="The broker's data folder.")]


@app.command()
def create(
    tenant: Annotated[str, typer.Option(help="The tenant that the key speaks for.")],
    data_dir: DataDir = None,
) -> None:
    """Issue a key, and print it as the environment that AWS's tools read.

    From the first key on, the broker wants every request signed. The secret is shown this once:

        eval "$(headgate keys create --tenant research)"
        export AWS_ENDPOINT_URL_BATCH=http://127.0.0.1:8470
    """
    from queue_broker.wire.keys import new_key

    with shelf(data_dir) as kept:
        key = new_key(kept, tenant_name(tenant), time.time())
    print(f"export AWS_ACCESS_KEY_ID={key.key_id}")
    print(f"export AWS_SECRET_ACCESS_KEY={key.secret}")


@app.command("list")
def list_(data_dir: DataDir = None) -> None:
    """Show the keys, without their secrets.

    headgate keys list
    """
    from queue_broker.wire.kept import every
    from queue_broker.wire.keys import KIND

    table = columns("key", "tenant", "created")
    with shelf(data_dir) as kept:
        for one in every(kept, KIND):
            created = datetime.fromtimestamp(one.body["created_at_s"], UTC)
            table.add_row(one.name, one.body["tenant"], f"{created:%Y-%m-%d %H:%M}Z")
    if table.rows:
        console.print(table)
    else:
        console.print("No keys. Issue one: headgate keys create --tenant NAME", markup=False)


@app.command()
def remove(
    key: Annotated[str, typer.Argument(help="The key's id.")], data_dir: DataDir = None
) -> None:
    """Take a key back. Brokers that run notice within seconds.

    headgate keys remove HGKAEXAMPLE
    """
    from queue_broker.wire.kept import every
    from queue_broker.wire.keys import KIND

    with shelf(data_dir) as kept:
        found = kept.get(KIND, key)
        if found is None:
            raise NotFound(f"there is no key {key!r}; `headgate keys list` has all")
        kept.remove(found)
        last = next(iter(every(kept, KIND)), None) is None
    console.print(f"removed {key}")
    if last:
        console.print("It was the last: no client of Batch's protocol is let in until another is.")


@contextmanager
def shelf(data_dir: Path | None) -> Iterator[Shelf]:
    """The broker's own database, opened beside it: a broker may run, or not."""
    from queue_broker.adapters.store.database import Database
    from queue_broker.adapters.store.migrate import upgrade
    from queue_broker.adapters.store.shelf import SqlShelf

    database = Database(database_of(data_dir).store_url)
    upgrade(database)
    try:
        yield SqlShelf(database)
    finally:
        database.close()


def tenant_name(given: str) -> str:
    try:
        return TENANT.validate_python(given)
    except ValidationError as error:
        raise InvalidInput.of(
            "--tenant", given, "letters, digits and _./@-, at most 128"
        ) from error
