"""The composition root: the only file that knows every adapter."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from headgate.errors import Conflict, InvalidInput
from predictor.predictor import Predictor
from queue_broker.adapters.clock import SteadyClock, wall_of
from queue_broker.adapters.engines.local.engine import LocalEngine, LocalSettings
from queue_broker.adapters.lake import FolderLake
from queue_broker.adapters.registry import FolderRegistry
from queue_broker.adapters.stocks import BatchStocks, ShelfStocks
from queue_broker.adapters.store.migrate import make_folder
from queue_broker.adapters.store.shelf import SqlShelf
from queue_broker.adapters.store.standings import SqlDescriber
from queue_broker.adapters.store.store import SqlStore
from queue_broker.api.app import create_app
from queue_broker.api.express import ExpressProtocol
from queue_broker.api.services import Services
from queue_broker.broker import Broker, Chore
from queue_broker.core.cycle import Cycle
from queue_broker.core.follow import Following
from queue_broker.core.forecast import Forecaster
from queue_broker.core.group_commit import GroupCommit
from queue_broker.core.insights import Insights
from queue_broker.core.keep import Keeping
from queue_broker.core.lessons import Lessons
from queue_broker.core.limits import Limits
from queue_broker.core.observe import Observing
from queue_broker.core.pace import unhurried
from queue_broker.core.parameters import Parameters
from queue_broker.core.policy import Policy
from queue_broker.core.predict import Estimating
from queue_broker.core.submit import Submitter
from queue_broker.dashboard.board import Board
from queue_broker.dashboard.routes import router as dashboard
from queue_broker.footprint import bound_heap, rest_collector
from queue_broker.ports import Clock, Describer, Engine, Lake, ModelRegistry, Shelf, Store
from queue_broker.settings import Settings
from queue_broker.wire.mount import mount
from queue_broker.wire.names import Place
from queue_broker.wire.recent import Recent
from queue_broker.wire.service import Source, Wire
from queue_broker.wire.submit import Definer
from queue_broker.wire.time_limits import TimeLimits

if TYPE_CHECKING:
    from queue_broker.on_aws import Cloud


def build(settings: Settings, clock: Clock | None = None) -> Broker:
    """A broker on the engine that the settings name, ready to start."""
    clock = clock or SteadyClock()
    make_folder(settings.data_dir)
    if settings.engine == "aws":
        return build_on_aws(settings, clock)
    store = SqlStore(settings.store_url, clock)
    parameters = Parameters(store)
    engine = LocalEngine(
        LocalSettings(settings.data_dir, settings.local_vcpu, settings.local_memory_mib),
        parameters.of,
        clock,
    )
    broker = wire(settings, clock, parts_on(settings, store, engine, parameters))
    engine.call_at_ends(broker.wake)  # who waits for the room need not wait for the next pass too
    broker.chores = time_limits(broker, wire_protocol(broker))
    return broker


def build_on_aws(settings: Settings, clock: Clock) -> Broker:
    from queue_broker import on_aws  # boto3 is an extra

    store = on_aws.open_store(settings, clock)
    parameters = Parameters(store)
    cloud = on_aws.connect(settings, parameters, clock)
    parts = parts_on(settings, store, cloud.engine, parameters)
    broker = wire(settings, clock, replace(parts, cloud=cloud))
    protocol = wire_protocol(broker)
    broker.chores = {**cloud.chores(protocol), **time_limits(broker, protocol)}
    return broker


def time_limits(broker: Broker, protocol: Wire) -> Mapping[str, Chore]:
    """What the queues of AWS's protocol say of jobs that wait in vain."""
    return {"time limits": TimeLimits(protocol, lambda: broker.leading).run}


def parts_on(settings: Settings, store: SqlStore, engine: Engine, parameters: Parameters) -> Parts:
    registry = FolderRegistry(settings.data_dir / "models")
    shelf, describer = SqlShelf(store.database), SqlDescriber(store.database)
    forecaster = Forecaster(Predictor(), registry)
    return Parts(store, shelf, describer, engine, registry, forecaster, parameters)


@dataclass(frozen=True, slots=True)
class Parts:
    """The adapters that differ between a laptop, a company and a test."""

    store: Store
    shelf: Shelf
    describer: Describer
    engine: Engine
    registry: ModelRegistry
    forecaster: Forecaster
    parameters: Parameters
    cloud: Cloud | None = None


def wire(settings: Settings, clock: Clock, parts: Parts) -> Broker:
    store, engine, forecaster = parts.store, parts.engine, parts.forecaster
    cloud = parts.cloud
    lake: Lake = (cloud and cloud.lake) or FolderLake(settings.data_dir / "lake", unhurried)
    limits = Limits(store, parts.shelf, settings.tiers, clock, settings.needed_tiers)
    limits.begin(settings.tenants)
    lessons = Lessons(forecaster, limits.modes)
    cycle = Cycle(
        store=store,
        engine=engine,
        estimating=Estimating(store, forecaster, parts.parameters.bands, limits.modes),
        observing=Observing(
            store,
            engine,
            forecaster,
            parts.parameters.of,
            settings.memory_attempts,
            limits.modes,
            lessons.put,
        ),
        tiers=settings.tiers,
        clock=clock,
        policy=Policy(bucket=cloud.bucket if cloud else None),
        limits_now=limits,
        stocks=BatchStocks(cloud.upstream, clock) if cloud else ShelfStocks(parts.shelf),
    )
    broker: Broker
    # Lambdas, since the broker is not there yet.
    wake, foretell = lambda: broker.wake(), lambda new: broker.foretell(new)  # noqa: PLW0108
    commit = GroupCommit(store, wake, foretell, store.abreast)
    broker = Broker(
        settings=settings,
        store=store,
        shelf=parts.shelf,
        describer=parts.describer,
        clock=clock,
        engine=engine,
        registry=parts.registry,
        lake=lake,
        forecaster=forecaster,
        following=Following(store, forecaster),
        lessons=lessons,
        parameters=parts.parameters,
        insights=Insights(
            settings,
            store,
            engine,
            parts.registry,
            parts.parameters,
            limits,
            forecaster.explain,
        ),
        submitter=Submitter(
            settings, store, commit, clock, definer(settings, clock, parts), limits
        ),
        limits=limits,
        cycle=cycle,
        keeping=Keeping(store, lake, clock, settings.keep_finished_s),
        upstream=cloud.upstream if cloud else None,
    )
    return broker


def definer(settings: Settings, clock: Clock, parts: Parts) -> Definer:
    source = Source(parts.shelf, parts.cloud.upstream if parts.cloud else None)
    place = Place(settings.aws_region, settings.aws_account)
    return Definer(source, place, Recent(clock))


def application(broker: Broker) -> FastAPI:
    """The broker's web application; its lifespan starts and stops the broker."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        broker.start()
        try:
            yield
        finally:
            await run_in_threadpool(broker.stop)

    services = Services(
        submitter=broker.submitter,
        insights=broker.insights,
        store=broker.store,
        limits=broker.limits,
        tokens=broker.settings.tokens,
        problems=broker.problems,
        troubles=broker.troubles,
        stopping=lambda: broker.stopping,
        changed=broker.wake,
    )
    app = create_app(services, lifespan)
    app.busiest |= mount(app, wire_protocol(broker))
    board = Board(broker.insights, broker.forecaster, broker.clock)
    app.include_router(dashboard(board, services.steering, broker.settings.tokens))
    return app


def wire_protocol(broker: Broker) -> Wire:
    """What AWS Batch's wire protocol stands on."""
    return Wire(
        settings=broker.settings,
        submitter=broker.submitter,
        store=broker.store,
        describer=broker.describer,
        shelf=broker.shelf,
        engine=broker.engine,
        clock=broker.clock,
        wall=wall_of(broker.clock),
        changed=broker.wake,
        upstream=broker.upstream,
    )


def serve(
    settings: Settings, listener: socket.socket, ready: Callable[[], None] = lambda: None
) -> None:
    """Serve until SIGINT or SIGTERM, then stop in order. `ready` is called once all is wired.

    `InvalidInput` where a folder cannot be had, or another broker has it.
    """
    bound_heap()
    broker = build(settings)
    try:
        broker.store.try_lead()
    except Conflict as error:  # on SQLite; several brokers share a PostgreSQL
        broker.stop()
        raise InvalidInput.of(
            "data_dir", str(settings.data_dir), f"a folder of its own: {error}"
        ) from error
    ready()
    config = uvicorn.Config(
        application(broker),
        http=ExpressProtocol,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    rest_collector()
    # Uvicorn raises the signal again once all is stopped; a stop that was asked for is no error.
    with suppress(KeyboardInterrupt):
        Server(config, broker).run(sockets=[listener])


class Server(uvicorn.Server):
    """Uvicorn, that tells the broker of a signal at once, so that long polls end."""

    def __init__(self, config: uvicorn.Config, broker: Broker) -> None:
        super().__init__(config)
        self._broker = broker

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._broker.stopping = True
        super().handle_exit(sig, frame)
