from __future__ import annotations

import time

import pytest

from headgate.errors import InvalidInput
from headgate.lifecycle import State
from headgate.resources import Resources
from headgate.views import AttemptView
from queue_broker.core.insights import show_tasks, some, tasks_of, why
from queue_broker.records import Group, GroupId, JobId, Table, Tasks
from tests.factories import START_S, a_job


def a_group(state: State, hold: str | None = None) -> Group:
    return Group(
        GroupId(1), JobId("j"), a_job(), "acme", "sweep", 0, 1, state, Tasks([0]), 1, START_S, 1,
        False, Table.NONE, hold=hold,
    )  # fmt: skip


def an_attempt(reason: str | None) -> AttemptView:
    return AttemptView(
        attempt=1, lane="local", allocation=Resources(1, 1), created_at_s=0, reason=reason
    )


def test_a_slice_is_the_tasks_that_it_names() -> None:
    assert tasks_of("0-3,7") == Tasks([0, 1, 2, 3, 7])
    assert tasks_of(None) is None


def test_a_slice_of_millions_is_no_list_of_millions() -> None:
    tasks = tasks_of("0-99999999")

    assert tasks is not None
    assert len(tasks) == 100_000_000
    assert len(tasks.serialize()) < 1 << 20


def test_a_slice_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match="tasks: got 'x'"):
        tasks_of("x")


def test_tasks_are_shown_as_ranges() -> None:
    assert show_tasks(Tasks()) == ""
    assert show_tasks(Tasks([0, 1, 2, 9])) == "0-2,9"
    assert show_tasks(Tasks([1, 3, 4, 99_999_998, 99_999_999])) == "1,3-4,99999998-99999999"


def test_to_show_tasks_costs_their_ranges_and_not_their_number() -> None:
    start = time.process_time()
    assert show_tasks(Tasks(range(100_000_000))) == "0-99999999"
    assert time.process_time() - start < 0.5  # one by one it takes 4 s


def test_a_waiting_task_is_explained_by_what_holds_it() -> None:
    held = a_group(State.RUNNABLE, hold="the quota")

    assert why(State.RUNNABLE, held, [an_attempt("out of memory")], None) == "the quota"


def test_a_finished_task_is_explained_by_its_last_attempt() -> None:
    attempts = [an_attempt("out of memory"), an_attempt("exit code 1")]

    held = a_group(State.RUNNABLE, hold="the quota")
    assert why(State.FAILED, held, attempts, "cancelled") == "exit code 1"
    assert why(State.SUBMITTED, a_group(State.SUBMITTED), [], "cancelled") is None


def test_a_task_that_never_started_is_explained_by_its_job() -> None:
    assert why(State.FAILED, a_group(State.RUNNABLE), [], "no longer wanted") == "no longer wanted"


def test_counts_of_nothing_are_left_out_and_the_rest_is_in_order() -> None:
    counts = {State.FAILED: 1, State.RUNNING: 0, State.SUBMITTED: 2}

    assert list(some(counts).items()) == [(State.SUBMITTED, 2), (State.FAILED, 1)]
