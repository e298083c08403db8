"""Housekeeping: finished jobs leave in small batches, so that tables and indexes stay small."""

from __future__ import annotations

from sqlalchemy import Connection, delete, exists, select

from queue_broker.adapters.store.dialects import among
from queue_broker.adapters.store.schema import dependencies, jobs, outcomes

#: An upload that has not been sealed for so long is given up.
OPEN_TABLE_S = 86_400.0


def sweep_out(connection: Connection, finished_before_s: float, limit: int, now_s: float) -> int:
    """Drop finished jobs that the lake has and nobody unfinished depends on; returns how many."""
    waiting = jobs.alias("dependant")
    needed = (
        exists()
        .where(dependencies.c.on_job == jobs.c.number)
        .where(dependencies.c.job == waiting.c.number, waiting.c.finished_at_s.is_(None))
    )
    owed = exists().where(outcomes.c.job == jobs.c.number, ~outcomes.c.exported)
    old = select(jobs.c.number).where(jobs.c.finished_at_s < finished_before_s, ~needed, ~owed)
    old = old.order_by(jobs.c.finished_at_s).limit(limit).with_for_update(skip_locked=True)
    numbers = connection.execute(old).scalars().all()
    connection.execute(delete(jobs).where(among(connection, jobs.c.number, numbers)))
    abandoned = (~jobs.c.sealed) & (jobs.c.submitted_at_s < now_s - OPEN_TABLE_S)
    connection.execute(delete(jobs).where(abandoned))
    return len(numbers)
