from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest

from headgate.errors import Unavailable
from queue_broker.core.loops import Loop

PATIENCE_S = 10.0


class Work:
    """Plays a script of results and errors, one a pass, and says when a pass is over."""

    def __init__(self, *script: bool | Exception) -> None:
        self.script = list(script)
        self.played = Event()

    def __call__(self) -> bool:
        step = self.script.pop(0) if self.script else False
        if not self.script:
            self.played.set()
        if isinstance(step, Exception):
            raise step
        return step


@pytest.fixture
def started() -> Iterator[list[Loop]]:
    loops: list[Loop] = []
    yield loops
    for loop in loops:
        loop.stop()


def run(loops: list[Loop], work: Work, period_s: float = 60.0) -> Loop:
    loop = Loop("test", work, period_s)
    loops.append(loop)
    loop.start()
    return loop


def test_a_pass_that_did_something_is_followed_at_once(started: list[Loop]) -> None:
    work = Work(True, True, False)

    run(started, work)

    assert work.played.wait(PATIENCE_S)


def test_a_wake_cuts_the_pause_short(started: list[Loop]) -> None:
    work = Work(False, False)
    loop = run(started, work)

    loop.wake()

    assert work.played.wait(PATIENCE_S)


DISK_FULL = OSError(28, "No space left on device", "/lake/part.parquet")


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), Unavailable("the database is away"), DISK_FULL]
)
def test_an_error_is_named_and_the_loop_goes_on(started: list[Loop], error: Exception) -> None:
    work = Work(error)
    loop = run(started, work, period_s=0.01)
    assert work.played.wait(PATIENCE_S)

    after = Work(False)
    loop._work = after

    assert after.played.wait(PATIENCE_S)


def test_a_full_disk_is_told_once_in_a_line(
    started: list[Loop], caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(DISK_FULL, DISK_FULL)
    loop = run(started, work, period_s=0.01)
    assert work.played.wait(PATIENCE_S)
    loop.stop(PATIENCE_S)

    (told,) = caplog.records
    assert told.exc_info is None
    assert "No space left on device: '/lake/part.parquet'" in told.message


def test_a_bug_is_told_once_with_where_it_is(
    started: list[Loop], caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(KeyError("shape"), KeyError("shape"))
    loop = run(started, work, period_s=0.01)
    assert work.played.wait(PATIENCE_S)
    loop.stop(PATIENCE_S)

    (told,) = caplog.records
    assert told.exc_info is not None
    assert told.message == "test: KeyError('shape')"


@pytest.mark.parametrize(
    ("took_s", "rest_s"), [(0.0, Loop.REST_S), (0.015, 0.06), (9.0, Loop.MOST_REST_S)]
)
def test_passes_with_nothing_to_do_leave_most_of_the_time_to_others(
    took_s: float, rest_s: float
) -> None:
    assert Loop("test", Work(), 1.0)._rest_s(took_s) == pytest.approx(rest_s)


def test_a_loop_stops_in_the_middle_of_a_pause(started: list[Loop]) -> None:
    loop = run(started, Work(False))

    loop.stop(PATIENCE_S)

    assert not loop._thread.is_alive()
