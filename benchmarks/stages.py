"""What the store's benchmarks stand on: durable databases, brokers whose tasks end at once."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn

from headgate.resources import Resources
from predictor.predictor import Predictor
from queue_broker.adapters.engines.instant import InstantEngine
from queue_broker.adapters.registry import FolderRegistry
from queue_broker.adapters.store.shelf import SqlShelf
from queue_broker.adapters.store.standings import SqlDescriber
from queue_broker.adapters.store.store import SqlStore
from queue_broker.api.express import ExpressProtocol
from queue_broker.broker import Broker
from queue_broker.core.forecast import Forecaster
from queue_broker.core.parameters import Parameters
from queue_broker.footprint import bound_heap, rest_collector
from queue_broker.main import Parts, application, wire
from queue_broker.records import Lane
from queue_broker.settings import Settings
from tests.postgres import private_server

SQLITE, POSTGRES = "sqlite", "postgres"
#: Room for 20,000 tasks of a GiB at once, so that an engine that never waits is never full.
LANE = Lane("instant", Resources(vcpu=100, memory_mib=102_400), instances=200, purchase="SPOT")


@contextmanager
def database(kind: str) -> Iterator[str]:
    """The URL of a fresh database that survives a loss of power: fsync is on."""
    if kind == SQLITE:
        with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
            yield f"sqlite:///{folder}/headgate.db"
    else:
        with private_server(durable=True) as server:
            yield server.url()


@contextmanager
def instant_broker(
    url: str,
    lane: Lane = LANE,
    engine: InstantEngine | None = None,
    predictor: Predictor | None = None,
) -> Iterator[Broker]:
    """A whole broker, its loops not started; by default its engine finishes tasks at once, and its
    predictor knows nothing.
    """
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
        settings = Settings(data_dir=Path(folder), database_url=url)
        store = SqlStore(url)
        registry = FolderRegistry(Path(folder) / "models")
        if predictor is not None and predictor.model is not None:
            registry.publish(predictor.model)
        parts = Parts(
            store=store,
            shelf=SqlShelf(store.database),
            describer=SqlDescriber(store.database),
            engine=engine or InstantEngine([lane], time.time),
            registry=registry,
            forecaster=Forecaster(predictor or Predictor(), registry),
            parameters=Parameters(store),
        )
        broker = wire(settings, time.time, parts)
        try:
            yield broker
        finally:
            broker.stop()


#: No room at all: what is submitted is estimated, and waits.
FULL = Lane("full", Resources(vcpu=100, memory_mib=102_400), instances=0)


def serve(url: str, has_room: bool) -> None:
    """Serve a broker over HTTP until the process is ended; its port is the first line printed."""
    # Uvicorn raises SIGTERM again once it is down; the folders are still to be removed then.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    bound_heap()
    with instant_broker(url, LANE if has_room else FULL) as broker:
        rest_collector()
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        print(listener.getsockname()[1], flush=True)
        app = application(broker)
        config = uvicorn.Config(app, http=ExpressProtocol, log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[listener])


@dataclass(frozen=True, slots=True)
class Served:
    """A broker in a process of its own, so that its work is not the client's."""

    address: str
    pid: int

    def peak_rss_mib(self) -> float:
        """The most memory that the broker's process has had resident (VmHWM)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@contextmanager
def served_broker(url: str, *, has_room: bool = False) -> Iterator[Served]:
    with in_process(f"from benchmarks.stages import serve; serve({url!r}, {has_room})") as served:
        wait_until_ready(served.address)
        yield served


@contextmanager
def in_process(code: str) -> Iterator[Served]:
    """Python in a process of its own, which prints the port that it listens on."""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            yield Served(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()


def wait_until_ready(address: str) -> None:
    while True:
        try:
            if httpx.get(f"{address}/healthz").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
