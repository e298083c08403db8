"""`headgate up`: one broker on this machine."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.errors import InvalidInput
from queue_broker.cli.logs import write_log
from queue_broker.cli.screen import Screen

if TYPE_CHECKING:
    from queue_broker.settings import Settings

console = Screen(stderr=True)
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - to tell it, not to listen there


def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes any free one.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Database, logs, models and history; made if missing.")
    ] = None,
    database_url: Annotated[
        str | None, typer.Option(help="PostgreSQL instead of SQLite in the data folder.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every pass.")] = False,
) -> None:
    """Start the broker, and run jobs until Ctrl-C: on this machine, or on AWS Batch if so set.

    Every option is also a line in headgate.toml or `HEADGATE_OPTION` in the environment:
    `port = 8000`, HEADGATE_PORT=8000.

    Examples:

        headgate up
        headgate up --port 0 --data-dir /var/lib/headgate
        headgate up --database-url postgresql://headgate@db/headgate
    """
    from queue_broker.main import serve
    from queue_broker.settings import read_settings

    settings = read_settings(host=host, port=port, data_dir=data_dir, database_url=database_url)
    write_log(settings.log_format, verbose=verbose)
    with listen(settings.host, settings.port) as listener:
        serve(settings, listener, ready=lambda: tell(settings, listener))
    console.print("Stopped. Tasks that ran go on when the broker starts again.")


def tell(settings: Settings, listener: socket.socket) -> None:
    """Where the broker is, once it is there."""
    address = f"http://{name_of(settings.host)}:{listener.getsockname()[1]}"
    console.print(f"[bold]Headgate[/bold] is up at {address}")
    console.print(f"  dashboard  {address}/dashboard")
    console.print(f"  API        {address}/docs")
    console.print(f"  data       {settings.data_dir.resolve()}")
    console.print(f"Point clients here with HEADGATE_URL={address}. Ctrl-C stops.")


def name_of(host: str) -> str:
    """How clients reach it: where it listens on all addresses, by this machine's name."""
    if host in EVERYWHERE:
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; `InvalidInput` names the address that cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        allowed = f"an address that is free here ({error.strerror}); --port 0 takes any"
        raise InvalidInput.of("port", f"{host}:{port}", allowed) from error
    return listener
