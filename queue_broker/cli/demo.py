"""`headgate demo`: the main job, end to end, on this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from headgate.client import Client
from headgate.errors import HeadgateError, InvalidInput, Unavailable
from queue_broker.cli.screen import console

HEADGATE = (sys.executable, "-m", "queue_broker.cli.main")
PATIENCE_S = 60.0
#: What the demo's broker says, by which its folder is known again.
LOG = "broker.log"


def demo(
    data_dir: Annotated[
        Path, typer.Option(help="New, or an earlier demo's, which is emptied first.")
    ] = Path("headgate-data/demo"),
    stay: Annotated[
        bool | None, typer.Option(help="Stay up at the end; by default on a terminal only.")
    ] = None,
) -> None:
    """Run the main job on this machine: two sweeps of real trainings, production jobs in between.

    The first sweep begins with what a person would ask for. Headgate then trains on what it
    measured, and the second, different sweep gets what it is predicted to need. All that is printed
    was measured in this run. Three to six minutes on two cores.

        headgate demo
        headgate demo --data-dir /tmp/headgate-demo --no-stay
    """
    empty(data_dir)
    with broker(data_dir) as address, Client(address) as client:
        play(client, data_dir)
        console.print(f"\nDashboard: [bold]{address}/dashboard[/bold]")
        if sys.stdout.isatty() if stay is None else stay:
            console.print("Ctrl-C ends the demo.")
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()


def empty(data_dir: Path) -> None:
    """Make the folder anew; `InvalidInput` where what is in it is not an earlier demo's, and
    `Conflict` where that still runs."""
    from queue_broker.adapters.store.leadership import LOCK_FILE, LockFile

    used = data_dir.exists() and (not data_dir.is_dir() or any(data_dir.iterdir()))
    if used and not (data_dir / LOG).is_file():
        allowed = "a folder that is new, empty, or an earlier demo's: it is emptied first"
        raise InvalidInput.of("--data-dir", str(data_dir), allowed)
    if (data_dir / LOCK_FILE).exists():
        lock = LockFile(data_dir)
        lock.try_lead()
        lock.resign()
    shutil.rmtree(data_dir, ignore_errors=True)
    try:
        data_dir.mkdir(parents=True)
    except OSError as error:
        allowed = f"a folder to write in ({error.strerror})"
        raise InvalidInput.of("--data-dir", str(data_dir), allowed) from error


def play(client: Client, data_dir: Path) -> None:
    """Both rounds with a training between them, and the table."""
    from queue_broker.demo.measure import measure, wait_s
    from queue_broker.demo.report import table
    from queue_broker.demo.rounds import PRODUCTION_JOBS, asked, run_alone, run_round, sweep_of

    console.print("[bold]1.[/bold] Production jobs alone, on the idle machine")
    idle = [wait_s(at, task) for at, task in run_alone(client)]
    size = sweep_of(0)[1].size
    console.print(
        f"[bold]2.[/bold] A sweep of {size} trainings that each ask for {asked().vcpu:g} vCPU and "
        f"{asked().memory_mib} MiB; {PRODUCTION_JOBS} production jobs in its middle"
    )
    first = measure(run_round(client, 0))
    console.print("[bold]3.[/bold] Training on what was just measured")
    train(client, data_dir, size)
    console.print(
        "[bold]4.[/bold] Another sweep of the same families, now as predicted "
        "(where no model is proven better, by what each family used so far)"
    )
    second = measure(run_round(client, 1))
    console.print()
    console.print(table(idle, first, second))


def train(client: Client, data_dir: Path, attempts: int) -> None:
    """The real `headgate train`, once the lake has the round; then wait for the new model."""
    wait_until(lambda: rows_in_lake(data_dir) >= attempts, "the history to reach the lake")
    subprocess.run([*HEADGATE, "train", "--data-dir", str(data_dir)], check=True)
    published = client.models().versions
    wait_until(lambda: client.models().current in (*published[-1:], None), "the new model")


def rows_in_lake(data_dir: Path) -> int:
    from queue_broker.adapters.lake import FolderLake

    return len(FolderLake(data_dir / "lake").read())


@contextlib.contextmanager
def broker(data_dir: Path) -> Iterator[str]:
    """A broker process of its own, stopped at the end however the demo ends."""
    address = f"http://127.0.0.1:{free_port()}"
    log = data_dir / LOG
    command = [*HEADGATE, "up", "--port", address.rpartition(":")[2], "--data-dir", str(data_dir)]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, stdout=sink, stderr=sink, env=without_settings(), start_new_session=True
        )
    try:
        wait_until(lambda: answers(address, process, log), f"the broker (see {log})")
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def without_settings() -> dict[str, str]:
    """The environment without the user's own HEADGATE_ settings: the demo stands by itself."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(address: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    if process.poll() is not None:
        tail = log.read_text(errors="replace")[-2000:]
        raise Unavailable(f"the broker ended with exit code {process.returncode}:\n{tail}")
    with Client(address) as client, contextlib.suppress(HeadgateError):
        client.models()
        return True
    return False


def wait_until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > deadline:
            raise Unavailable(f"waited {PATIENCE_S:.0f} s for {what}")
        time.sleep(0.2)
