"""Connections and transactions: who waits, who tries again, and what foreign errors become."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from pyroaring import BitMap
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from headgate.errors import Unavailable
from queue_broker.adapters.store.codec import pack_tasks

P = ParamSpec("P")
R = TypeVar("R")

#: Between two tries of a transaction that met another, a random pause of at most so long.
PAUSES_S = (0.01, 0.02, 0.04, 0.08, 0.16)
RETRY_AFTER_S = 1.0
#: PostgreSQL: serialization_failure, deadlock_detected, lock_not_available.
COLLISIONS = frozenset({"40001", "40P01", "55P03"})
SQLITE_BUSY = frozenset({"SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_LOCKED"})
#: The file is none of SQLite's, or was hurt.
SQLITE_BROKEN = frozenset({"SQLITE_NOTADB", "SQLITE_CORRUPT"})
POSTGRES_OPTIONS = " ".join(
    (
        "-c idle_in_transaction_session_timeout=10000",  # an open xmin makes claims 9 times slower
        "-c lock_timeout=5000",
        "-c statement_timeout=60000",
        "-c plan_cache_mode=force_custom_plan",  # generic plans misjudge arrays and partial indexes
        "-c timezone=UTC",
        "-c application_name=headgate",
    )
)


class Database:
    """One database, and the two kinds of transaction on it: `read` and `write`."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.engine = open_engine(url)
        # SQLite has one writer at a time; waiting here is fair, its busy handler is not.
        self._writer = threading.Lock() if self.is_sqlite else nullcontext()

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @property
    def folder(self) -> Path | None:
        """Where an SQLite database lives."""
        return Path(self.url.database).parent if self.is_sqlite and self.url.database else None

    def read(self, work: Callable[Concatenate[Connection, P], R], *a: P.args, **k: P.kwargs) -> R:
        """Run `work` on one snapshot."""
        with translated(self.url.render_as_string()), self.engine.connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin():
                return work(connection, *a, **k)

    def write(self, work: Callable[Concatenate[Connection, P], R], *a: P.args, **k: P.kwargs) -> R:
        """Run `work` in a transaction, again where it collided with another; all of it or nothing.

        After `Unavailable` a commit may or may not have happened: every `work` may be repeated.
        """
        with translated(self.url.render_as_string()):
            for pause_s in PAUSES_S:
                try:
                    return self._write_once(work, *a, **k)
                except DBAPIError as error:
                    if not is_collision(error):
                        raise
                time.sleep(random.uniform(0, pause_s))
            return self._write_once(work, *a, **k)

    def _write_once(
        self, work: Callable[Concatenate[Connection, P], R], *a: P.args, **k: P.kwargs
    ) -> R:
        with self._writer, self.engine.connect() as opened:
            connection = opened.execution_options(headgate_write=True)
            with connection.begin():
                return work(connection, *a, **k)

    def close(self) -> None:
        self.engine.dispose()


def open_engine(url: str) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(
            url,
            pool_size=8,
            max_overflow=8,
            pool_timeout=10,
            pool_pre_ping=True,
            connect_args={"options": POSTGRES_OPTIONS, "connect_timeout": 5},
        )
    engine = create_engine(url, pool_size=8, max_overflow=24, connect_args={"timeout": 10})
    event.listen(engine, "connect", set_up_sqlite)
    event.listen(engine, "begin", begin_sqlite)
    return engine


# Of rows that go to the driver as they are (`bulk.py`); SQLAlchemy's own statements pack by type.
sqlite3.register_adapter(BitMap, pack_tasks)


def set_up_sqlite(connection: sqlite3.Connection, record: object) -> None:
    del record
    connection.isolation_level = None  # the driver must not begin transactions by itself
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # WAL alone would lose the last commits with the power
        "foreign_keys = ON",
        "busy_timeout = 10000",
        "cache_size = -32768",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails when another wrote in between.
    write = connection.get_execution_options().get("headgate_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def is_collision(error: DBAPIError) -> bool:
    original: Any = error.orig
    if getattr(original, "sqlite_errorname", None) in SQLITE_BUSY:
        return True
    return getattr(original, "sqlstate", None) in COLLISIONS


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Foreign errors become `Unavailable` once, here; bugs of ours stay what they are."""
    try:
        yield
    except (OperationalError, PoolTimeout) as error:
        raise unavailable(error, address) from error
    except DBAPIError as error:
        broken = getattr(error.orig, "sqlite_errorname", None) in SQLITE_BROKEN
        if error.connection_invalidated or broken:
            raise unavailable(error, address) from error
        raise


def unavailable(error: SQLAlchemyError, address: str) -> Unavailable:
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()
    words = f"the database at {address} cannot be used just now: {cause[0] if cause else error}"
    return Unavailable(words, retry_after_s=RETRY_AFTER_S)
