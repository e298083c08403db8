"""A process that kills itself with SIGKILL at a chosen statement."""

from __future__ import annotations

import os
import signal

from sqlalchemy import event

from queue_broker.adapters.store.store import SqlStore


def die_after(store: SqlStore, statements: int) -> None:
    left = iter(range(statements))

    def count(*_: object) -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(store.database.engine, "before_cursor_execute", count)
    event.listen(store.database.engine, "commit", count)
