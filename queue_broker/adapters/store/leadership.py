"""Which broker leads the cycle: an advisory lock on PostgreSQL, a locked file beside SQLite.

The advisory lock belongs to a connection of its own, so it is gone as soon as the leader's process
is. A machine that vanishes without a word is noticed by TCP keepalives within about 4 s.
A leader that was cut off and does not know it yet can do no harm: every write of the cycle is
compared and set, and engines start a leak's name once.
"""

from __future__ import annotations

import fcntl
import threading
from io import TextIOWrapper
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from headgate.errors import Conflict
from queue_broker.ports import Leadership

LOCK_FILE = "headgate.lock"
TRY = text("SELECT pg_try_advisory_lock(hashtext('headgate.leader'))")
SILENCE = (
    "SET tcp_keepalives_idle = 2",
    "SET tcp_keepalives_interval = 1",
    "SET tcp_keepalives_count = 2",
    "SET tcp_user_timeout = 4000",
)


class AdvisoryLock:
    """Leads while its own connection to PostgreSQL holds the lock."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._connection: Connection | None = None
        self._mutex = threading.Lock()

    def try_lead(self) -> bool:
        with self._mutex:
            if self._connection is not None:
                return self._still_holds()
            return self._take()

    def resign(self) -> None:
        with self._mutex:
            self._drop()

    def _still_holds(self) -> bool:
        assert self._connection is not None  # noqa: S101  (try_lead looked)
        try:
            self._connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            self._drop()
            return False
        return True

    def _take(self) -> bool:
        try:
            connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            for setting in SILENCE:
                connection.execute(text(setting))
            held = bool(connection.execute(TRY).scalar_one())
        except SQLAlchemyError:
            return False  # nobody leads while the database is away
        if not held:
            connection.close()
            return False
        self._connection = connection
        return True

    def _drop(self) -> None:
        if self._connection is not None:
            # Closed, not given back: a pooled connection would go on holding the lock.
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


class LockFile:
    """One broker a folder: two on one SQLite database would both think that they lead."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_FILE
        self._file: TextIOWrapper | None = None

    def try_lead(self) -> bool:
        """True; `Conflict` when another process has the folder."""
        if self._file is None:
            file = self.path.open("a")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.close()
                raise Conflict(
                    f"another broker runs on {self.path.parent}; stop it, or use another folder, "
                    "or PostgreSQL, which takes several brokers"
                ) from error
            self._file = file
        return True

    def resign(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def leadership(engine: Engine, folder: Path | None) -> Leadership:
    return AdvisoryLock(engine) if folder is None else LockFile(folder)
