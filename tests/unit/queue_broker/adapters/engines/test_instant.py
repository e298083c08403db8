"""The instant engine does as it is told, and keeps an account of every start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headgate.errors import Unavailable
from headgate.lifecycle import Cause
from headgate.resources import Resources
from queue_broker.adapters.engines.instant import InstantEngine, Outcome, Script, all_succeed
from queue_broker.records import Lane, Tasks
from tests.contract.engines import a_leak, causes, endings

LANES = [Lane("local", Resources(4, 1024))]


def an_engine(script: Script = all_succeed, *, at_once: bool = True) -> InstantEngine:
    return InstantEngine(LANES, lambda: 100.0, script=script, at_once=at_once)


def test_tasks_end_at_once_and_well() -> None:
    engine = an_engine()

    engine.hand_over([a_leak(tasks=range(3))])

    assert [end.exit_code for end in endings(engine.poll(100))] == [0, 0, 0]


def test_a_script_says_which_tasks_fail_and_how() -> None:
    killed = Outcome(Cause.OUT_OF_MEMORY, 137, reason="too small")
    engine = an_engine(lambda leak: {1: killed})

    engine.hand_over([a_leak(tasks=range(3))])
    ends = endings(engine.poll(100))

    assert [(end.task, end.cause) for end in ends] == [
        (0, Cause.EXITED),
        (1, Cause.OUT_OF_MEMORY),
        (2, Cause.EXITED),
    ]
    assert (ends[1].exit_code, ends[1].reason) == (137, "too small")


def test_an_error_before_the_hand_over_takes_nothing_and_one_after_it_takes_all() -> None:
    engine = an_engine()
    engine.fail_next.append(Unavailable("throttled"))
    engine.lose_next.append(Unavailable("the answer was lost"))
    leak = a_leak()

    with pytest.raises(Unavailable, match="throttled"):
        engine.hand_over([leak])
    assert engine.world.starts == []
    with pytest.raises(Unavailable, match="lost"):
        engine.hand_over([leak])
    engine.hand_over([leak])

    assert engine.world.starts == [("leak-1", Tasks([0]))]
    assert engine.world.twice == []
    assert engine.calls == [("hand_over", ("leak-1",))] * 3


def test_a_task_started_again_under_another_name_is_caught() -> None:
    engine = an_engine()
    again = replace(a_leak(tasks=(1, 2), name="again"), job_id=a_leak().job_id)

    engine.hand_over([a_leak(tasks=(0, 1)), again])

    assert engine.world.twice == [(again.job_id, 1, 1)]


@pytest.mark.parametrize("cause", [Cause.INTERRUPTED, Cause.NOT_STARTED])
def test_an_interrupted_task_may_start_again(cause: Cause) -> None:
    engine = an_engine(lambda leak: {} if leak.name == "again" else {0: Outcome(cause, None)})
    again = replace(a_leak(name="again"), job_id=a_leak().job_id)

    engine.hand_over([a_leak()])
    engine.hand_over([again])

    assert engine.world.twice == []


def test_tasks_run_until_they_are_finished() -> None:
    engine = an_engine(at_once=False)
    engine.hand_over([a_leak(tasks=range(3))])
    assert endings(engine.poll(100)) == []

    engine.finish("leak-1", Tasks([2]), Outcome(exit_code=1))
    engine.finish("leak-1")

    assert [(end.task, end.exit_code) for end in endings(engine.poll(100))] == [
        (2, 1),
        (0, 0),
        (1, 0),
    ]


def test_a_lane_that_nobody_has_is_refused() -> None:
    engine = an_engine()

    (answer,) = engine.hand_over([replace(a_leak(), lane="spot")])

    assert answer.refused is not None
    assert "spot" in answer.refused


def test_a_million_tasks_are_a_few_sets() -> None:
    engine = an_engine()
    leak = a_leak(tasks=range(1_000_000))

    engine.hand_over([leak])
    first = engine.poll(10)
    engine.acknowledge(first)

    assert len(first) == 10
    assert causes(engine.poll(10)) == {}
    assert engine.world.starts == [("leak-1", leak.tasks)]
