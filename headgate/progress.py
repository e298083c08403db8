"""What `wait` shows: a bar on a terminal, a line now and then anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from headgate.lifecycle import FINISHED, State
from headgate.views import JobView

Show = Callable[[JobView], None]


@contextmanager
def showing(wanted: bool | None, stream: TextIO | None = None) -> Iterator[Show]:
    """What to show each view with. `wanted` None or True shows something, False nothing."""
    stream = stream or sys.stderr
    if wanted is False:
        yield lambda view: None
    elif stream.isatty():
        with _bar() as show:
            yield show
    else:
        yield Lines(stream)


class Lines:
    """A line when the state, what holds it or the tenth of what is finished changes: logs stay
    readable."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._said: tuple[State, int, str | None] | None = None

    def __call__(self, view: JobView) -> None:
        held = view.reason if view.state is State.RUNNABLE else None
        say = view.state, 10 * done(view) // view.size, held
        if say != self._said:
            self._said = say
            print(f"{view.name} {view.job_id}: {summary(view)}", file=self._stream, flush=True)


@contextmanager
def _bar() -> Iterator[Show]:
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError:  # rich comes with the CLI; a trimmed image may lack it
        yield Lines(sys.stderr)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        line = progress.add_task("", total=None, words="")

        def show(view: JobView) -> None:
            progress.update(
                line,
                description=view.name,
                total=view.size,
                completed=done(view),
                words=summary(view),
            )

        yield show


def done(view: JobView) -> int:
    return sum(view.counts.get(state, 0) for state in FINISHED)


def summary(view: JobView) -> str:
    """`RUNNING`, or for a sweep the tasks in each state; with the reason where there is one."""
    words = view.state.value
    if view.array:
        counts = (f"{view.counts[state]:,} {state}" for state in State if view.counts.get(state))
        words = f"{done(view):,} of {view.size:,} finished ({', '.join(counts)})"
    return f"{words}: {view.reason}" if view.reason else words
