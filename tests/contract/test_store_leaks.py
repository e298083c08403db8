"""From a leak's intent to the end of its tasks, on both databases."""

from __future__ import annotations

from dataclasses import replace

from headgate.lifecycle import Cause, State
from queue_broker.adapters.store.store import SqlStore
from queue_broker.records import Changes, HandOver, Intent, JobId, Split, Tasks
from queue_broker.verdicts import Fail, Requeue, Retry
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
    taken,
)


def test_an_intent_is_durable_before_any_engine_hears_of_it(store: SqlStore) -> None:
    [group] = make_runnable(store, a_sweep(size=10))
    [leak] = store.write_intents([an_intent(group, range(4))], START_S)
    assert store.open_leaks() == [leak]
    assert leak.handed_over_at_s is None
    assert leak.open == Tasks(range(4))
    assert counts_of(store, "sweep-1") == {State.STARTING: 4, State.RUNNABLE: 6}
    check_books(store)


def test_a_pass_is_told_of_leaks_that_are_new_that_changed_and_that_are_over(
    store: SqlStore,
) -> None:
    [group] = make_runnable(store, a_sweep(size=10))
    intents = [
        an_intent(group, [0, 1], "a"),
        an_intent(group, [2], "b"),
        an_intent(group, [3], "c"),
    ]
    leaks = store.write_intents(intents, START_S)
    store.handed_over(taken(leaks), START_S)
    known = {leak.name: leak for leak in store.changed_leaks({}).leaks}
    assert list(known) == [leak.name for leak in leaks]
    assert store.changed_leaks(known) == Changes([], [])

    first, second, third = leaks
    store.started(starts(first, [0]))
    store.settle(ends(second))
    store.cancel(third.job_id, third.tasks, "enough")
    [more] = store.write_intents([an_intent(store.eligible(1)[0], [4])], START_S)
    changes = store.changed_leaks(known)
    assert [leak.name for leak in changes.leaks] == [first.name, third.name, more.name]
    assert changes.leaks[0].running == Tasks([0])
    assert changes.leaks[1].cancelling == Tasks([3])
    assert changes.gone == [second.name]


def test_names_of_leaks_are_unique_for_ever(store: SqlStore) -> None:
    [group] = make_runnable(store, a_sweep(size=10))
    names = []
    for _ in range(3):
        [leak] = store.write_intents([an_intent(group, [0])], START_S)
        store.handed_over([HandOver(leak.name, refused="full")], START_S)
        names.append(leak.name)
        [group] = store.eligible(1)
    assert len(set(names)) == 3


def test_parts_of_one_group_go_to_several_lanes_in_one_call(store: SqlStore) -> None:
    [group] = make_runnable(store, a_sweep(size=10))
    intents = [an_intent(group, [0, 1], "a"), an_intent(group, [2, 3], "b")]
    leaks = store.write_intents(intents, START_S)
    assert [(leak.lane, leak.tasks) for leak in leaks] == [
        ("a", Tasks([0, 1])),
        ("b", Tasks([2, 3])),
    ]


def test_a_task_is_claimed_once_even_within_one_call(store: SqlStore) -> None:
    [group] = make_runnable(store, a_sweep(size=10))
    leaks = store.write_intents([an_intent(group, [0, 1]), an_intent(group, [1, 2])], START_S)
    assert [leak.tasks for leak in leaks] == [Tasks([0, 1])]


def test_an_intent_whose_group_moved_on_is_left_out(store: SqlStore) -> None:
    [group, other] = make_runnable(store, a_sweep("a"), a_sweep("b"))
    store.set_priority(JobId("a"), 5)
    leaks = store.write_intents([an_intent(group), an_intent(other)], START_S)
    assert [leak.job_id for leak in leaks] == ["b"]
    check_books(store)


def test_an_intent_for_a_group_that_never_was_is_left_out(store: SqlStore) -> None:
    [group] = make_runnable(store, a_sweep())
    intent = an_intent(group)
    gone = Intent(type(intent.group_id)(10**9), 0, intent.tasks, "local", intent.allocation)
    assert store.write_intents([gone], START_S) == []


def test_cancelled_children_go_along_to_be_stopped_and_stay_failed(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=4))
    store.cancel(JobId("sweep-1"), Tasks([1]), "not that one")
    [group] = store.eligible(1)
    intent = replace(an_intent(group), dropped=Tasks([1]))

    [leak] = store.write_intents([intent], START_S)
    assert (leak.tasks, leak.open, leak.cancelling) == (Tasks(range(4)), leak.tasks, Tasks([1]))
    assert counts_of(store, "sweep-1") == {State.STARTING: 3, State.FAILED: 1}
    store.settle(ends(leak, [1], cause=Cause.CANCELLED, exit_code=None, verdict=Fail("stopped")))
    store.settle(ends(leak, [0, 2, 3]))

    assert counts_of(store, "sweep-1") == {State.SUCCEEDED: 3, State.FAILED: 1}
    assert store.job(JobId("sweep-1")).reason == "not that one"
    assert store.open_leaks() == []
    check_books(store)


def test_a_cancelled_child_that_ended_well_all_the_same_stays_cancelled(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=2))
    store.cancel(JobId("sweep-1"), Tasks([1]), "not that one")
    [group] = store.eligible(1)
    [leak] = store.write_intents([replace(an_intent(group), dropped=Tasks([1]))], START_S)
    store.started(starts(leak))
    store.settle(ends(leak))
    assert counts_of(store, "sweep-1") == {State.SUCCEEDED: 1, State.FAILED: 1}
    check_books(store)


def test_a_refused_array_takes_its_cancelled_children_along_again(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=4))
    store.cancel(JobId("sweep-1"), Tasks([1]), "not that one")
    for _ in range(2):
        [group] = store.eligible(1)
        [leak] = store.write_intents([replace(an_intent(group), dropped=Tasks([1]))], START_S)
        store.handed_over([HandOver(leak.name, refused="full")], START_S)
        assert counts_of(store, "sweep-1") == {State.RUNNABLE: 3, State.FAILED: 1}
    check_books(store)


def test_children_that_somebody_tries_again_meanwhile_do_not_go_along(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=4))
    store.cancel(JobId("sweep-1"), Tasks([1]), "not that one")
    [group] = store.eligible(1)
    store.retry_failed(JobId("sweep-1"), None)
    [group] = store.eligible(1)
    assert store.write_intents([replace(an_intent(group, [0]), dropped=Tasks([1]))], START_S) == []
    assert counts_of(store, "sweep-1") == {State.RUNNABLE: 4}


def test_a_job_that_was_taken_back_before_it_began_has_not_started(store: SqlStore) -> None:
    make_runnable(store, a_submission("job"))
    [leak] = leak_all(store)
    moved = Requeue("moved")
    store.settle(ends(leak, verdict=moved, cause=Cause.INTERRUPTED, exit_code=None))
    assert store.job(JobId("job")).started_at_s is None


def test_the_engines_answer_is_kept_once(store: SqlStore) -> None:
    [group] = make_runnable(store, a_sweep())
    [leak] = store.write_intents([an_intent(group)], START_S)
    store.handed_over([HandOver(leak.name, "first")], START_S + 1)
    store.handed_over([HandOver(leak.name, "second")], START_S + 2)
    store.handed_over([HandOver(leak.name, refused="too late")], START_S + 3)
    [kept] = store.open_leaks()
    assert (kept.engine_id, kept.handed_over_at_s) == ("first", START_S + 1)


def test_what_an_engine_refuses_waits_again_for_that_reason(store: SqlStore) -> None:
    [group] = make_runnable(store, a_sweep(size=10))
    [leak] = store.write_intents([an_intent(group)], START_S)
    store.handed_over([HandOver(leak.name, refused="the lane has no capacity")], START_S)
    [held] = store.held(10)
    assert held.reason == "the lane has no capacity"
    assert counts_of(store, "sweep-1") == {State.RUNNABLE: 10}
    assert store.open_leaks() == []
    check_books(store)


def test_a_refused_task_that_was_cancelled_meanwhile_does_not_wait_again(store: SqlStore) -> None:
    [group] = make_runnable(store, a_sweep(size=10))
    [leak] = store.write_intents([an_intent(group)], START_S)
    store.cancel(JobId("sweep-1"), Tasks([1, 2]), "enough")
    store.handed_over([HandOver(leak.name, refused="full")], START_S)
    assert counts_of(store, "sweep-1") == {State.RUNNABLE: 8, State.FAILED: 2}
    check_books(store)


def test_tasks_that_start_are_running(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=10))
    [leak] = leak_all(store)
    store.started(starts(leak, range(3), at_s=START_S + 5))
    [after] = store.open_leaks()
    assert after.running == Tasks(range(3))
    assert counts_of(store, "sweep-1") == {State.RUNNING: 3, State.STARTING: 7}
    assert store.job(JobId("sweep-1")).started_at_s == START_S + 5


def test_a_start_that_comes_twice_or_late_changes_nothing(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=3))
    [leak] = leak_all(store)
    store.started(starts(leak, [0, 0, 1]))
    store.started(starts(leak, [0]))
    store.settle(ends(leak, [1]))
    store.started(starts(leak, [1]))
    assert counts_of(store, "sweep-1") == {
        State.RUNNING: 1,
        State.STARTING: 1,
        State.SUCCEEDED: 1,
    }
    check_books(store)


def test_the_last_end_finishes_the_job(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=3))
    [leak] = leak_all(store)
    store.settle(ends(leak, [0, 1]))
    assert store.job(JobId("sweep-1")).finished_at_s is None
    store.settle(ends(leak, [2]))
    record = store.job(JobId("sweep-1"))
    assert (record.state, record.finished_at_s) == (State.SUCCEEDED, START_S)
    assert store.open_leaks() == []
    assert store.backlog() == []
    check_books(store)


def test_an_end_is_settled_once(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=3))
    [leak] = leak_all(store)
    both = ends(leak, [0, 1])
    assert store.settle([*both, both[0]]) == both
    assert store.settle(both) == []
    assert counts_of(store, "sweep-1") == {State.SUCCEEDED: 2, State.STARTING: 1}
    assert len(store.attempts(JobId("sweep-1"), 0)) == 1


def test_an_end_of_an_unknown_leak_is_not_news(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=3))
    [leak] = leak_all(store)
    stranger = ends(leak, [0])[0]
    object.__setattr__(stranger.ended, "leak", "nobody-1")
    assert store.settle([stranger]) == []


def test_a_kill_for_memory_is_retried_bigger(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=10))
    [leak] = leak_all(store)
    bigger = an_estimate(2048, memory_kills=1)
    retry = Retry(bigger, "out of memory")
    store.settle(ends(leak, [3, 7], retry, cause=Cause.OUT_OF_MEMORY, exit_code=137))
    [group] = store.eligible(10)
    assert (group.attempt, group.estimate, group.waiting) == (2, bigger, Tasks([3, 7]))
    check_books(store)


def test_retries_of_one_shape_share_one_group(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=10))
    [leak] = leak_all(store)
    for task in range(5):
        store.settle(ends(leak, [task], Retry(an_estimate(2048, why=f"try {task}"), "oom")))
    assert [group.waiting for group in store.eligible(10)] == [Tasks(range(5))]


def test_an_interrupted_task_waits_in_its_own_group_again(store: SqlStore) -> None:
    [before] = make_runnable(store, a_sweep(size=2))
    [leak] = leak_all(store)
    store.settle(ends(leak, [1], Requeue("Spot reclaimed"), cause=Cause.INTERRUPTED))
    [group] = store.eligible(10)
    assert (group.group_id, group.attempt, group.waiting) == (before.group_id, 1, Tasks([1]))
    check_books(store)


def test_the_last_failure_fails_the_task_with_its_reason(store: SqlStore) -> None:
    make_runnable(store, a_submission("job-1"))
    [leak] = leak_all(store)
    store.settle(ends(leak, verdict=Fail("exit code 3"), exit_code=3))
    record = store.job(JobId("job-1"))
    assert (record.state, record.reason) == (State.FAILED, "exit code 3")
    [attempt] = store.attempts(JobId("job-1"), 0)
    assert (attempt.exit_code, attempt.reason) == (3, "exit code 3")


def test_a_task_that_somebody_cancelled_is_not_tried_again(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=3))
    [leak] = leak_all(store)
    store.cancel(JobId("sweep-1"), Tasks([0, 1]), "enough")
    store.settle(ends(leak, [0], Requeue("interrupted"), cause=Cause.INTERRUPTED))
    store.settle(ends(leak, [1], Retry(an_estimate(4096), "oom"), cause=Cause.OUT_OF_MEMORY))
    assert counts_of(store, "sweep-1") == {State.FAILED: 2, State.STARTING: 1}
    check_books(store)


def test_a_group_says_why_it_waits(store: SqlStore) -> None:
    [a, b] = make_runnable(store, a_sweep("a"), a_sweep("b"))
    store.hold({a.group_id: "no room"})
    assert [(one.job_id, one.reason) for one in store.held(10)] == [("a", "no room")]
    [same, _] = store.eligible(10)
    assert same.version == a.version
    assert b.hold is None


def test_the_shapes_of_a_sweep_that_wait_for_one_reason_are_told_as_one(store: SqlStore) -> None:
    accept(store, a_sweep("a", size=10))
    [group] = store.submitted(1, 1)
    sizes = {4096: range(3), 1024: range(3, 5), 2048: range(5, 10)}
    splits = [Split(Tasks(tasks), an_estimate(mib)) for mib, tasks in sizes.items()]
    assert store.estimated([(group, splits)]) == [True]
    first, second, third = (one.group_id for one in store.eligible(10))
    store.hold({first: "no room", second: "fits no lane", third: "no room"})

    held = {one.reason: one.tasks for one in store.held(10)}

    assert held == {"no room": 8, "fits no lane": 2}
    assert len(store.held(1)) == 1


def test_what_is_leaked_is_not_held_any_more(store: SqlStore) -> None:
    [group] = make_runnable(store, a_sweep())
    store.hold({group.group_id: "no room"})
    store.write_intents([an_intent(store.eligible(1)[0])], START_S)
    assert store.held(10) == []


def test_many_jobs_go_through_in_one_call_each(store: SqlStore) -> None:
    accept(store, *(a_submission(f"job-{n}") for n in range(500)))
    estimate_all(store)
    leaks = store.write_intents([an_intent(group) for group in store.eligible(500)], START_S)
    store.handed_over(taken(leaks), START_S)
    store.started([start for leak in leaks for start in starts(leak)])
    assert len(store.settle([end for leak in leaks for end in ends(leak)])) == 500
    assert store.backlog() == []
    check_books(store)
