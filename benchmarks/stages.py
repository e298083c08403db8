"""What the store's benchmarks stand on: durable databases, brokers whose tasks end at once."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headgate.resources import Resources
from predictor.predictor import Predictor
from queue_broker.adapters.engines.instant import InstantEngine
from queue_broker.adapters.registry import FolderRegistry
from queue_broker.adapters.store.shelf import SqlShelf
from queue_broker.adapters.store.standings import SqlDescriber
from queue_broker.adapters.store.store import SqlStore
from queue_broker.core.forecast import Forecaster
from queue_broker.core.parameters import Parameters
from queue_broker.main import Broker, Parts, wire
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
def instant_broker(url: str, lane: Lane = LANE) -> Iterator[Broker]:
    """A whole broker, its loops not started, on an engine that finishes tasks at once."""
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
        settings = Settings(data_dir=Path(folder), database_url=url)
        store = SqlStore(url)
        registry = FolderRegistry(Path(folder) / "models")
        parts = Parts(
            store=store,
            shelf=SqlShelf(store.database),
            describer=SqlDescriber(store.database),
            engine=InstantEngine([lane], time.time),
            registry=registry,
            forecaster=Forecaster(Predictor(), registry),
            parameters=Parameters(store),
        )
        broker = wire(settings, time.time, parts)
        try:
            yield broker
        finally:
            broker.stop()
