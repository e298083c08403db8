"""`headgate history export`: what a broker's database remembers, as a trace to replay."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headgate.errors import InvalidInput
from queue_broker.cli.files import check_output
from queue_broker.cli.kept import database_of
from queue_broker.cli.screen import console

if TYPE_CHECKING:
    from queue_broker.ports import Reader
    from queue_broker.records import JobRecord, Result

WRITERS = {".csv": "to_csv", ".parquet": "to_parquet"}
#: Jobs, and ended attempts, that are read in one go.
JOBS, ATTEMPTS = 500, 10_000


def export(
    file: Annotated[Path, typer.Argument(help="The trace to write: *.csv or *.parquet.")],
    days: Annotated[float, typer.Option(min=0.01, help="Of how many days until now.")] = 7,
    data_dir: Annotated[Path | None, typer.Option(help="The broker's data folder.")] = None,
) -> None:
    """Write what was submitted and ended of late as a trace, for simulate and what-if.

    It reads the broker's database, which keeps what has ended for `keep_finished_s` (a week).

        headgate history export last-week.parquet
        headgate what-if last-week.parquet --now limits.json --then tighter.json
    """
    import pandas as pd

    from queue_broker.adapters.store.store import SqlStore

    if file.suffix not in WRITERS:
        raise InvalidInput.of("FILE", str(file), "a file named *.csv or *.parquet")
    check_output("FILE", file)
    store = SqlStore(database_of(data_dir).store_url)
    try:
        rows = list(arrivals(store, time.time() - days * 86_400))
    finally:
        store.close()
    if not rows:
        raise InvalidInput.of("--days", days, "days in which a task ended by itself")
    frame = pd.DataFrame(rows).sort_values("submit_time_s", kind="stable")
    getattr(frame, WRITERS[file.suffix])(file, index=False)
    console.print(f"{len(frame):,} tasks are in {file}", markup=False)


def arrivals(store: Reader, since_s: float) -> Iterator[dict[str, Any]]:
    """A row for each task of the jobs submitted since, whose last attempt ended by itself."""
    for job in jobs_since(store, since_s):
        for result in last_attempts(store, job):
            yield row_of(job, result)


def jobs_since(store: Reader, since_s: float) -> Iterator[JobRecord]:
    after = None
    while page := store.jobs(after=after, limit=JOBS):
        for job in page:
            if job.submitted_at_s < since_s:
                return
            yield job
        after = page[-1].job_id


def last_attempts(store: Reader, job: JobRecord) -> Iterator[Result]:
    from headgate.lifecycle import Cause

    last: dict[int, Result] = {}
    cursor: int | None = 0
    while cursor is not None:
        page, cursor = store.results(job.job_id, cursor, ATTEMPTS)
        last |= {result.attempt.task: result for result in page}
    return (one for one in last.values() if one.attempt.cause is Cause.EXITED)


def row_of(job: JobRecord, result: Result) -> dict[str, Any]:
    """As requested, and where nothing was, as given."""
    from queue_broker.core.results import row_of as told

    row, asked = told(result), job.job.resources
    used_mib, runtime_s = row.peak_memory_mib, row.runtime_s
    busy = row.cpu_s / runtime_s if row.cpu_s is not None and runtime_s > 0 else None
    memory_mib = asked.memory_mib or row.allocation_memory_mib
    return {
        "submit_time_s": job.submitted_at_s,
        "duration_s": runtime_s,
        "user": job.tenant,
        "tier": job.tier,
        "queue": job.job.queue,
        "vcpu": asked.vcpu or row.allocation_vcpu,
        "memory_mib": memory_mib,
        "gpus": row.allocation_gpus,
        "memory_used_mib": memory_mib if used_mib is None else max(1.0, used_mib),
        "vcpu_used": (asked.vcpu or row.allocation_vcpu) if busy is None else busy,
        "priority_class": job.priority,
    }
