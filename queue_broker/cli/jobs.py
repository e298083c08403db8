"""The commands that ask about jobs and steer them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from headgate.handles import JobHandle, TaskHandle
from headgate.lifecycle import State
from queue_broker.cli.main import INTERRUPTED, client
from queue_broker.cli.show import (
    print_job,
    print_jobs,
    print_json,
    print_queue,
    print_task,
    print_tasks,
)

Id = Annotated[str, typer.Argument(help="The id that `headgate submit` printed.")]
Task = Annotated[int | None, typer.Option(help="One task of a sweep, by its index from 0.")]
Tasks = Annotated[str | None, typer.Option(help="Some tasks of a sweep, such as 0-99,200.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

DEFAULT_LIMIT, DEFAULT_TASKS = 20, 100
#: Between two looks at a log that is followed.
FOLLOW_S = 0.5


def status(job_id: Id, task: Task = None, json: AsJson = False) -> None:
    """Show a job with its counts and its predicted shapes, or one task with its attempts.

    Examples:

        headgate status 01a20dc9-a30d-75ea-af99-63bd4a2ca903
        headgate status 01a20dc9-a30d-75ea-af99-63bd4a2ca903 --task 17
        headgate status 01a20dc9-a30d-75ea-af99-63bd4a2ca903 --json | jq .counts
    """
    sweep = client().sweep(job_id)
    if task is not None:
        one = sweep.task(task).describe()
        print_json(one) if json else print_task(one)
        return
    view = sweep.describe()
    print_json(view) if json else print_job(view, sweep.shapes())


def list_(
    *,
    tenant: Annotated[str | None, typer.Option(help="Of one tenant.")] = None,
    tier: Annotated[str | None, typer.Option(help="Of one tier.")] = None,
    queue: Annotated[str | None, typer.Option(help="Of one queue.")] = None,
    name: Annotated[str | None, typer.Option(help="Of one name.")] = None,
    state: Annotated[str | None, typer.Option(help="In one state, such as RUNNING.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many.")] = DEFAULT_LIMIT,
    after: Annotated[str | None, typer.Option(help="Those before this job: the next page.")] = None,
    json: AsJson = False,
) -> None:
    """List jobs, newest first.

    Examples:

        headgate list
        headgate list --state FAILED --tenant vision
    """
    filters = {"tenant": tenant, "tier": tier, "queue": queue, "name": name, "state": state}
    page = client().jobs(**filters, limit=limit, after=after)
    given = {**filters, "limit": None if limit == DEFAULT_LIMIT else limit}
    words = "".join(f" --{name} {value}" for name, value in given.items() if value is not None)
    print_json(page) if json else print_jobs(page, words, chosen=bool(words or after))


def tasks(
    job_id: Id,
    *,
    state: Annotated[State | None, typer.Option(help="In one state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many.")] = DEFAULT_TASKS,
    after: Annotated[int, typer.Option(min=-1, help="Those after this one: the next page.")] = -1,
    json: AsJson = False,
) -> None:
    """List the tasks of a sweep by index, all of them or those in one state.

    Examples:

        headgate tasks 01a20dc9-a30d-75ea-af99-63bd4a2ca903 --state FAILED
        headgate status 01a20dc9-a30d-75ea-af99-63bd4a2ca903 --task 17
    """
    page = client().sweep(job_id).tasks(state, after, limit)
    words = f" {job_id}" + (f" --state {state}" if state else "")
    words += f" --limit {limit}" if limit != DEFAULT_TASKS else ""
    print_json(page) if json else print_tasks(page, words)


def logs(
    job_id: Id,
    task: Annotated[int, typer.Option(help="One task of a sweep, by its index from 0.")] = 0,
    attempt: Annotated[int | None, typer.Option(min=1, help="Default: the last.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until it ends.")] = False,
) -> None:
    """Print what a job, or one task of a sweep, has written.

    Examples:

        headgate logs 01a20dc9-a30d-75ea-af99-63bd4a2ca903 --follow
        headgate logs 01a20dc9-a30d-75ea-af99-63bd4a2ca903 --task 17 --attempt 1
    """
    handle = client().sweep(job_id).task(task)
    if follow:
        with goes_on(job_id):
            follow_log(handle, attempt)
    else:
        print(handle.logs(attempt), end="")


def follow_log(handle: TaskHandle, attempt: int | None) -> None:
    after: str | None = None
    while True:
        page = handle.log_page(after, attempt)
        attempt = page.attempt  # a cursor is of one attempt; a retry writes a log of its own
        print(page.text, end="", flush=True)
        if page.ended and not page.text:
            return
        after = page.next
        if not page.text:
            time.sleep(FOLLOW_S)


def wait(
    job_id: Id,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Give up after so many seconds.")
    ] = None,
) -> None:
    """Wait until nothing of a job is left to do.

    Exit code 0: all succeeded; 1: something failed; 124: it goes on after --timeout; 130: Ctrl-C,
    which ends the wait and not the job.

    Examples:

        headgate wait 01a20dc9-a30d-75ea-af99-63bd4a2ca903 && echo done
    """
    handle = client().job(job_id)
    with goes_on(job_id):
        view = handle.wait(timeout)
    raise typer.Exit(0 if view.succeeded else 1)


@contextmanager
def goes_on(job_id: str) -> Iterator[None]:
    """Ctrl-C ends the looking on, and says that it ends nothing else."""
    try:
        yield
    except KeyboardInterrupt:
        for line in (
            f"The job goes on. Wait for it again: headgate wait {job_id}",
            f"                 or end it:         headgate cancel {job_id}",
        ):
            typer.echo(line, err=True)
        raise typer.Exit(INTERRUPTED) from None


def cancel(
    job_id: Id,
    tasks: Tasks = None,
    reason: Annotated[str, typer.Option(help="Kept with it.")] = "cancelled by its user",
) -> None:
    """Cancel a job, or some of its tasks. What waits fails at once; what runs is stopped.

    Examples:

        headgate cancel 01a20dc9-a30d-75ea-af99-63bd4a2ca903
        headgate cancel 01a20dc9-a30d-75ea-af99-63bd4a2ca903 --tasks 0-99,200
    """
    reached = client().job(job_id).cancel(tasks, reason)
    print(f"{reached.count:,} {'task' if reached.count == 1 else 'tasks'} cancelled")


def retry(job_id: Id, tasks: Tasks = None) -> None:
    """Try failed tasks again, each from a fresh first attempt.

    Examples:

        headgate retry 01a20dc9-a30d-75ea-af99-63bd4a2ca903
        headgate retry 01a20dc9-a30d-75ea-af99-63bd4a2ca903 --tasks 17
    """
    handle: JobHandle = client().job(job_id)
    count = handle.retry_failed(tasks)
    print(f"{count:,} {'task' if count == 1 else 'tasks'} will be tried again")


def queue(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many lines of the held.")] = 20,
    json: AsJson = False,
) -> None:
    """Show what waits and runs, by tier and tenant, and the reasons that hold what waits.

    Examples:

        headgate queue
    """
    view = client().queue(limit)
    print_json(view) if json else print_queue(view)
