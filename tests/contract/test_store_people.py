"""What users do to jobs, whole, in slices and one task at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headgate.errors import InvalidInput, NotFound
from headgate.lifecycle import Cause, State
from queue_broker.adapters.store.store import SqlStore
from queue_broker.records import HandOver, JobId, Tasks
from queue_broker.verdicts import Fail, Retry
from tests.contract.stores import (
    accept,
    check_books,
    counts_of,
    estimate_all,
    leak_all,
    make_runnable,
)
from tests.factories import (
    START_S,
    a_submission,
    a_sweep,
    an_estimate,
    an_intent,
    ends,
    starts,
)

SWEEP = JobId("sweep-1")


def test_cancelled_tasks_that_wait_fail_at_once(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=10))
    assert store.cancel(SWEEP, Tasks([1, 2]), "a typo") == Tasks([1, 2])
    assert counts_of(store, SWEEP) == {State.RUNNABLE: 8, State.FAILED: 2}
    assert store.job(SWEEP).reason == "a typo"
    check_books(store)


def test_each_task_keeps_the_reason_that_it_failed_for(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=10))
    store.cancel(SWEEP, Tasks([1, 2]), "a typo")
    store.cancel(SWEEP, Tasks([3]), "no more")
    store.cancel(SWEEP, Tasks([4]), "a typo")
    told = [store.failure(SWEEP, task) for task in range(5)]
    assert told == [None, "a typo", "a typo", "no more", "a typo"]
    store.retry_failed(SWEEP, Tasks([2, 3]))
    assert [store.failure(SWEEP, task) for task in (1, 2, 3)] == ["a typo", None, None]
    check_books(store)


def test_what_is_cancelled_between_two_attempts_tells_who_stopped_it(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=2))
    [leak] = leak_all(store)
    store.settle(ends(leak, [0], Retry(an_estimate(2048), "too little"), exit_code=137))
    store.cancel(SWEEP, Tasks([0]), "a typo")
    assert store.failure(SWEEP, 0) == "a typo"
    check_books(store)


def test_what_a_refusal_gives_back_cancelled_tells_who_stopped_it(store: SqlStore) -> None:
    [group] = make_runnable(store, a_sweep(size=2))
    [leak] = store.write_intents([an_intent(group)], START_S)
    store.cancel(SWEEP, Tasks([1]), "a typo")
    store.handed_over([HandOver(leak.name, refused="no room")], START_S)
    assert store.failure(SWEEP, 1) == "a typo"
    assert counts_of(store, SWEEP) == {State.RUNNABLE: 1, State.FAILED: 1}
    check_books(store)


def test_a_job_can_be_cancelled_before_it_is_estimated(store: SqlStore) -> None:
    accept(store, a_sweep(size=10))
    assert len(store.cancel(SWEEP, None, "a typo")) == 10
    record = store.job(SWEEP)
    assert (record.state, record.finished_at_s) == (State.FAILED, START_S)
    assert store.submitted(10, 10) == []


def test_cancelled_tasks_in_flight_are_marked_for_the_cycle(store: SqlStore) -> None:
    [group] = make_runnable(store, a_sweep(size=10))
    leak_all(store, [group])
    [leak] = store.open_leaks()
    store.started(starts(leak, [0]))
    assert store.cancel(SWEEP, Tasks([0, 1]), "enough") == Tasks([0, 1])
    assert store.open_leaks()[0].cancelling == Tasks([0, 1])
    assert counts_of(store, SWEEP) == {State.RUNNING: 1, State.STARTING: 9}
    store.settle(ends(leak, [0, 1], Fail("cancelled"), cause=Cause.CANCELLED))
    assert counts_of(store, SWEEP) == {State.FAILED: 2, State.STARTING: 8}
    assert store.open_leaks()[0].cancelling == Tasks()
    assert [one.reason for one in store.attempts(SWEEP, 0)] == ["enough"]


def test_tasks_in_flight_may_be_left_alone(store: SqlStore) -> None:
    [group] = make_runnable(store, a_sweep(size=10))
    store.write_intents([an_intent(group, range(4))], START_S)
    assert store.cancel(SWEEP, None, "no more", in_flight=False) == Tasks(range(4, 10))
    assert store.open_leaks()[0].cancelling == Tasks()
    assert counts_of(store, SWEEP) == {State.STARTING: 4, State.FAILED: 6}
    check_books(store)


def test_cancelling_twice_cancels_once(store: SqlStore) -> None:
    [group] = make_runnable(store, a_sweep(size=10))
    store.write_intents([an_intent(group, range(5))], START_S)
    assert store.cancel(SWEEP, None, "enough") == Tasks(range(10))
    assert store.cancel(SWEEP, None, "enough") == Tasks()


def test_what_succeeded_cannot_be_cancelled(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=2))
    [leak] = leak_all(store)
    store.settle(ends(leak))
    assert store.cancel(SWEEP, None, "too late") == Tasks()
    assert store.job(SWEEP).state is State.SUCCEEDED


def test_failed_tasks_are_tried_again_as_a_fresh_first_attempt(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=4))
    [leak] = leak_all(store)
    store.settle([*ends(leak, [0, 1]), *ends(leak, [2, 3], Fail("exit code 1"), exit_code=1)])
    assert store.job(SWEEP).finished_at_s is not None
    assert store.retry_failed(SWEEP, None) == 2
    [group] = store.eligible(10)
    assert (group.attempt, group.waiting) == (1, Tasks([2, 3]))
    assert store.job(SWEEP).finished_at_s is None
    check_books(store)


def test_only_the_wanted_failures_are_tried_again(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=4))
    [leak] = leak_all(store)
    store.settle(ends(leak, verdict=Fail("exit code 1")))
    assert store.retry_failed(SWEEP, Tasks([1])) == 1
    assert store.retry_failed(SWEEP, Tasks([1])) == 0
    assert counts_of(store, SWEEP) == {State.RUNNABLE: 1, State.FAILED: 3}


def test_why_a_job_failed_is_no_longer_said_once_all_of_it_is_tried_again(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=4))
    [leak] = leak_all(store)
    store.settle(ends(leak, verdict=Fail("exit code 1")))
    store.retry_failed(SWEEP, Tasks([1]))
    assert store.job(SWEEP).reason == "exit code 1"
    store.retry_failed(SWEEP, None)
    assert store.job(SWEEP).reason is None
    again = leak_all(store)
    store.settle([end for one in again for end in ends(one)])
    assert (store.job(SWEEP).state, store.job(SWEEP).reason) == (State.SUCCEEDED, None)


def test_what_failed_before_its_estimate_is_estimated_when_tried_again(store: SqlStore) -> None:
    accept(store, a_sweep(size=10))
    store.cancel(SWEEP, Tasks(range(4)), "a typo")
    estimate_all(store)
    assert store.retry_failed(SWEEP, None) == 4
    store_states = counts_of(store, SWEEP)
    assert store_states[State.RUNNABLE] + store_states.get(State.SUBMITTED, 0) == 10
    estimate_all(store)
    assert counts_of(store, SWEEP) == {State.RUNNABLE: 10}
    check_books(store)


def test_a_whole_job_cancelled_before_its_estimate_can_be_tried_again(store: SqlStore) -> None:
    accept(store, a_submission("job-1"))
    store.cancel(JobId("job-1"), None, "a typo")
    assert store.retry_failed(JobId("job-1"), None) == 1
    assert counts_of(store, "job-1") == {State.SUBMITTED: 1}
    estimate_all(store)
    assert counts_of(store, "job-1") == {State.RUNNABLE: 1}


def test_a_changed_priority_changes_the_order(store: SqlStore) -> None:
    make_runnable(store, a_submission("a"), a_submission("b"))
    store.set_priority(JobId("b"), 9)
    assert [group.job_id for group in store.eligible(10)] == ["b", "a"]
    assert store.job(JobId("b")).priority == 9


def test_a_moved_job_waits_in_its_new_place(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=10))
    store.move(SWEEP, "globex", "production")
    [group] = store.eligible(10)
    assert (group.tenant, group.tier) == ("globex", "production")
    [backlog] = store.backlog()
    assert (backlog.tenant, backlog.tier, backlog.counts[State.RUNNABLE]) == (
        *("globex", "production"),
        10,
    )
    assert (store.job(SWEEP).tenant, store.job(SWEEP).tier) == ("globex", "production")
    check_books(store)


def test_a_move_of_the_tier_keeps_the_tenant(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=10))
    store.move(SWEEP, None, "interactive")
    assert store.job(SWEEP).tenant == "acme"
    assert store.job(SWEEP).tier == "interactive"


@pytest.mark.parametrize(
    "wish",
    [
        lambda store, job: store.cancel(job, None, "why"),
        lambda store, job: store.retry_failed(job, None),
        lambda store, job: store.set_priority(job, 1),
        lambda store, job: store.move(job, "a", None),
    ],
    ids=["cancel", "retry_failed", "set_priority", "move"],
)
def test_a_wish_for_a_job_that_is_not_there_says_so(
    store: SqlStore, wish: Callable[[SqlStore, JobId], object]
) -> None:
    with pytest.raises(NotFound, match="nobody"):
        wish(store, JobId("nobody"))


def test_a_task_beyond_the_sweep_cannot_be_cancelled(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=10))
    with pytest.raises(InvalidInput, match="0 to 9"):
        store.cancel(SWEEP, Tasks([10]), "why")


def test_a_slice_of_a_million_tasks_is_cancelled_and_tried_again(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=1_000_000))
    wanted = Tasks(range(250_000, 750_000))
    assert store.cancel(SWEEP, wanted, "half of it") == wanted
    assert store.retry_failed(SWEEP, wanted) == 500_000
    [group] = store.eligible(1)
    assert len(group.waiting) == 1_000_000
