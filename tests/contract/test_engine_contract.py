"""What every engine promises, on each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headgate.errors import InvalidInput, NotFound
from headgate.lifecycle import Cause
from headgate.resources import Resources
from queue_broker.events import Started
from queue_broker.records import Tasks
from tests.contract.aws_bench import AwsBench
from tests.contract.engines import (
    FAILS,
    RUNS_ON,
    Bench,
    InstantBench,
    LocalBench,
    a_leak,
    causes,
    endings,
    wait_until,
)


@pytest.fixture(params=["local", "local-without-cgroups", "instant", "aws"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made: Bench
    if request.param == "instant":
        made = InstantBench()
    elif request.param == "aws":
        made = AwsBench(tmp_path, request.getfixturevalue("sqlite_url"))
    else:
        made = LocalBench(tmp_path, cgroups=request.param == "local")
    yield made
    made.close()


def test_there_is_a_lane_with_room(bench: Bench) -> None:
    lanes = bench.engine.lanes()

    assert lanes
    assert all(lane.shape.vcpu > 0 and lane.shape.memory_mib > 0 for lane in lanes)


def test_a_task_starts_and_then_ends(bench: Bench) -> None:
    bench.hand_over(a_leak())

    started, ended = bench.collect(ends=1)

    assert isinstance(started, Started)
    (end,) = endings([ended])
    assert (end.leak, end.task, end.cause, end.exit_code) == ("leak-1", 0, Cause.EXITED, 0)
    assert end.started_at_s == started.at_s <= end.at_s


def test_an_exit_code_is_reported_as_it_is(bench: Bench) -> None:
    bench.hand_over(a_leak(FAILS))

    (end,) = endings(bench.collect(ends=1))

    assert (end.cause, end.exit_code) == (Cause.EXITED, 3)


def test_each_task_of_an_array_ends_once(bench: Bench) -> None:
    leak = a_leak(tasks=(0, 2, 3, 7), array=True)
    bench.hand_over(leak)

    ends = endings(bench.collect(ends=4))

    assert sorted(end.task for end in ends) == [0, 2, 3, 7]
    assert [bench.starts(leak, task) for task in leak.tasks] == [1, 1, 1, 1]
    assert bench.engine.poll(100) == []


def test_events_come_again_until_they_are_acknowledged(bench: Bench) -> None:
    bench.hand_over(a_leak(tasks=(0, 1)))
    first = bench.until_ends_wait(2)

    assert bench.engine.poll(100) == first
    bench.engine.acknowledge(first[:3])
    assert bench.engine.poll(100) == first[3:]
    bench.engine.acknowledge(first[3:])
    assert bench.engine.poll(100) == []


def test_no_more_events_come_than_were_asked_for(bench: Bench) -> None:
    bench.hand_over(a_leak(tasks=range(3)))
    all_of_them = bench.until_ends_wait(3)

    assert bench.engine.poll(2) == all_of_them[:2]


def test_acknowledging_what_nobody_knows_is_harmless(bench: Bench) -> None:
    bench.engine.acknowledge([Started("never-heard-of", 0, 0.0)])

    assert bench.engine.poll(100) == []


def test_a_leak_handed_over_twice_starts_once(bench: Bench) -> None:
    leak = a_leak(RUNS_ON)

    first = bench.hand_over(leak)
    second = bench.hand_over(leak)
    bench.collect(ends=0, starts=1)
    wait_until(lambda: bench.starts(leak, 0) == 1)
    third = bench.hand_over(leak)

    assert first == second == third
    bench.engine.stop(leak, leak.tasks, interrupted=False)
    assert len(endings(bench.collect(ends=1))) == 1
    assert bench.starts(leak, 0) == 1


def test_a_leak_handed_over_again_after_its_end_does_not_start_again(bench: Bench) -> None:
    leak = a_leak()
    bench.hand_over(leak)
    bench.collect(ends=1)

    bench.engine.hand_over([leak])

    assert bench.starts(leak, 0) == 1


def test_what_can_never_fit_is_refused_and_the_rest_is_taken(bench: Bench) -> None:
    giant = a_leak(name="giant", allocation=Resources(1.0, 1 << 20))

    refused, taken = bench.hand_over(giant, a_leak())

    assert refused.refused is not None
    assert refused.engine_id is None
    assert taken.refused is None
    assert causes(bench.collect(ends=1)) == {("leak-1", 0): Cause.EXITED}


@pytest.mark.parametrize(
    ("interrupted", "cause"), [(False, Cause.CANCELLED), (True, Cause.INTERRUPTED)]
)
def test_a_stopped_task_says_why(bench: Bench, interrupted: bool, cause: Cause) -> None:
    leak = a_leak(RUNS_ON, tasks=(0, 1))
    bench.hand_over(leak)
    bench.collect(ends=0, starts=2)

    bench.engine.stop(leak, Tasks([1]), interrupted)

    assert causes(bench.collect(ends=1)) == {("leak-1", 1): cause}


def test_stopping_a_task_that_is_over_changes_nothing(bench: Bench) -> None:
    leak = a_leak()
    bench.hand_over(leak)
    before = bench.until_ends_wait(1)

    bench.engine.stop(leak, leak.tasks, interrupted=False)

    assert bench.engine.poll(100) == before


def test_stopping_a_leak_that_was_never_handed_over_is_harmless(bench: Bench) -> None:
    leak = a_leak()

    bench.engine.stop(leak, leak.tasks, interrupted=False)

    assert bench.engine.poll(100) == []


def test_what_runs_is_taken_up_after_a_crash(bench: Bench) -> None:
    leak = a_leak(RUNS_ON)
    bench.hand_over(leak)
    bench.collect(ends=0, starts=1)
    wait_until(lambda: bench.starts(leak, 0) == 1)

    bench.crash()
    bench.engine.adopt([replace(leak, engine_id="known")])
    bench.engine.stop(leak, leak.tasks, interrupted=False)

    assert causes(bench.collect(ends=1)) == {("leak-1", 0): Cause.CANCELLED}
    assert bench.starts(leak, 0) == 1


def test_what_was_not_acknowledged_comes_again_after_a_crash(bench: Bench) -> None:
    leak = a_leak(FAILS)
    bench.hand_over(leak)
    (before,) = endings(bench.until_ends_wait(1))

    bench.crash()
    bench.engine.adopt([replace(leak, engine_id="known", running=Tasks([0]))])

    assert endings(bench.collect(ends=1)) == [before]


def test_an_answer_lost_in_a_crash_can_be_asked_for_again(bench: Bench) -> None:
    leak = a_leak(RUNS_ON)
    (before,) = bench.hand_over(leak)
    bench.collect(ends=0, starts=1)
    wait_until(lambda: bench.starts(leak, 0) == 1)

    bench.crash()
    bench.engine.adopt([leak])
    (after,) = bench.hand_over(leak)
    bench.engine.stop(leak, leak.tasks, interrupted=True)

    assert after == before
    bench.collect(ends=1)
    assert bench.starts(leak, 0) == 1


def test_a_leak_written_but_never_handed_over_is_left_alone_by_adopt(bench: Bench) -> None:
    leak = a_leak()

    bench.engine.adopt([leak])

    assert bench.engine.poll(100) == []
    assert bench.starts(leak, 0) == 0


def test_a_log_is_read_page_by_page_to_its_end(bench: Bench) -> None:
    bench.hand_over(a_leak(tasks=(0, 1)))
    bench.collect(ends=2)

    text, after, ended = "", None, False
    while not ended:
        page = bench.engine.logs("leak-1", 1, after, limit=5)
        text, after, ended = text + page.text, page.next, page.ended

    assert text == "hello leak-1.1\n"


def test_a_log_that_never_was_is_not_found(bench: Bench) -> None:
    for name in ("never-heard-of", "../../etc"):
        with pytest.raises(NotFound):
            bench.engine.logs(name, 0, None, limit=100)


def test_a_log_position_that_no_page_gave_is_refused(bench: Bench) -> None:
    bench.hand_over(a_leak())
    bench.collect(ends=1)

    with pytest.raises(InvalidInput, match="after: got 'yesterday'"):
        bench.engine.logs("leak-1", 0, "yesterday", limit=100)
