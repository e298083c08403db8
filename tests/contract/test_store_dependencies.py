"""Jobs that wait for jobs, whole and task by task."""

from __future__ import annotations

from headgate.job import Dependency
from headgate.lifecycle import State
from queue_broker.adapters.store.store import SqlStore
from queue_broker.records import JobId, Leak, Tasks
from queue_broker.verdicts import Fail
from tests.contract.stores import (
    accept,
    check_books,
    counts_of,
    estimate_all,
    leak_all,
    make_runnable,
)
from tests.factories import a_submission, a_sweep, ends

WHOLE = (Dependency(job_id="first"),)
N_TO_N = (Dependency(job_id="first", type="N_TO_N"),)
FAILS = Fail("exit code 1")


def leak_of(store: SqlStore, job_id: str) -> Leak:
    return next(leak for leak in leak_all(store) if leak.job_id == job_id)


def test_a_dependant_is_pending_until_all_of_the_job_succeeded(store: SqlStore) -> None:
    make_runnable(store, a_sweep("first", 3), a_submission("second", depends_on=WHOLE))
    leak = leak_of(store, "first")
    store.settle(ends(leak, [0, 1]))
    assert store.settle_dependencies(10) == 0
    assert counts_of(store, "second") == {State.PENDING: 1}
    store.settle(ends(leak, [2]))
    assert store.settle_dependencies(10) == 1
    assert counts_of(store, "second") == {State.RUNNABLE: 1}
    check_books(store)


def test_a_dependant_fails_with_the_job_it_waits_for(store: SqlStore) -> None:
    make_runnable(store, a_submission("first"), a_sweep("second", 4, depends_on=WHOLE))
    store.settle(ends(leak_of(store, "first"), verdict=FAILS))
    assert store.settle_dependencies(10) == 1
    record = store.job(JobId("second"))
    assert (record.state, record.reason) == (State.FAILED, "dependency failed: first")
    check_books(store)


def test_a_failure_runs_down_a_chain(store: SqlStore) -> None:
    make_runnable(
        store,
        a_submission("first"),
        a_submission("second", depends_on=WHOLE),
        a_submission("third", depends_on=(Dependency(job_id="second"),)),
    )
    store.cancel(JobId("first"), None, "not needed")
    while store.settle_dependencies(1):
        pass
    assert store.job(JobId("third")).reason == "dependency failed: second"


def test_a_failed_task_of_an_array_fails_its_dependants_only_at_the_end(store: SqlStore) -> None:
    make_runnable(store, a_sweep("first", 2), a_submission("second", depends_on=WHOLE))
    leak = leak_of(store, "first")
    store.settle(ends(leak, [0], FAILS))
    store.settle_dependencies(10)
    assert counts_of(store, "second") == {State.PENDING: 1}
    store.settle(ends(leak, [1]))
    store.settle_dependencies(10)
    assert counts_of(store, "second") == {State.FAILED: 1}


def test_a_dependency_that_succeeded_long_ago_holds_nobody(store: SqlStore) -> None:
    make_runnable(store, a_submission("first"))
    store.settle(ends(leak_of(store, "first")))
    accept(store, a_submission("second", depends_on=WHOLE))
    estimate_all(store)
    assert counts_of(store, "second") == {State.PENDING: 1}
    assert store.settle_dependencies(10) == 1
    assert counts_of(store, "second") == {State.RUNNABLE: 1}


def test_an_end_before_the_dependants_estimate_is_not_forgotten(store: SqlStore) -> None:
    make_runnable(store, a_submission("first"))
    accept(store, a_submission("second", depends_on=WHOLE))
    store.settle(ends(leak_of(store, "first")))
    store.settle_dependencies(10)
    estimate_all(store)
    store.settle_dependencies(10)
    assert counts_of(store, "second") == {State.RUNNABLE: 1}


def test_n_to_n_moves_task_by_task(store: SqlStore) -> None:
    make_runnable(store, a_sweep("first", 5), a_sweep("second", 5, depends_on=N_TO_N))
    leak = leak_of(store, "first")
    store.settle([*ends(leak, [1, 3]), *ends(leak, [2], FAILS)])
    store.settle_dependencies(10)
    assert store.tasks_in(JobId("second"), State.RUNNABLE, -1, 10) == [1, 3]
    assert store.tasks_in(JobId("second"), State.PENDING, -1, 10) == [0, 4]
    assert store.tasks_in(JobId("second"), State.FAILED, -1, 10) == [2]
    store.settle(ends(leak, [0, 4]))
    store.settle_dependencies(10)
    assert store.tasks_in(JobId("second"), State.RUNNABLE, -1, 10) == [0, 1, 3, 4]
    check_books(store)


def test_released_tasks_of_one_shape_share_one_group(store: SqlStore) -> None:
    make_runnable(store, a_sweep("first", 5), a_sweep("second", 5, depends_on=N_TO_N))
    leak = leak_of(store, "first")
    for task in range(5):
        store.settle(ends(leak, [task]))
        store.settle_dependencies(10)
    [group] = store.groups(JobId("second"))
    assert group.waiting == Tasks(range(5))


def test_all_of_several_dependencies_must_be_met(store: SqlStore) -> None:
    both = (*N_TO_N, Dependency(job_id="other"))
    make_runnable(
        store, a_sweep("first", 2), a_submission("other"), a_sweep("second", 2, depends_on=both)
    )
    store.settle(ends(leak_of(store, "first")))
    store.settle_dependencies(10)
    assert counts_of(store, "second") == {State.PENDING: 2}
    [other] = store.open_leaks()
    store.settle(ends(other))
    store.settle_dependencies(10)
    assert counts_of(store, "second") == {State.RUNNABLE: 2}


def test_sequential_tasks_go_one_after_another(store: SqlStore) -> None:
    own = (Dependency(job_id="chain", type="SEQUENTIAL"),)
    make_runnable(store, a_sweep("chain", 3, depends_on=own))
    for task in range(3):
        assert store.tasks_in(JobId("chain"), State.RUNNABLE, -1, 10) == [task]
        [leak] = leak_all(store)
        store.settle(ends(leak))
        store.settle_dependencies(10)
    assert store.job(JobId("chain")).state is State.SUCCEEDED
    check_books(store)


def test_a_break_in_a_sequence_fails_all_that_come_after(store: SqlStore) -> None:
    own = (Dependency(job_id="chain", type="SEQUENTIAL"),)
    make_runnable(store, a_sweep("chain", 1000, depends_on=own))
    [leak] = leak_all(store)
    store.settle(ends(leak, verdict=FAILS))
    assert store.settle_dependencies(10) == 1
    assert counts_of(store, "chain") == {State.FAILED: 1000}


def test_retrying_the_failed_looks_at_the_dependencies_again(store: SqlStore) -> None:
    make_runnable(store, a_submission("first"), a_submission("second", depends_on=WHOLE))
    store.settle(ends(leak_of(store, "first"), verdict=FAILS))
    store.settle_dependencies(10)
    assert store.retry_failed(JobId("first"), None) == 1
    assert store.retry_failed(JobId("second"), None) == 1
    store.settle_dependencies(10)
    assert counts_of(store, "second") == {State.PENDING: 1}
    store.settle(ends(leak_of(store, "first")))
    store.settle_dependencies(10)
    assert counts_of(store, "second") == {State.RUNNABLE: 1}
    check_books(store)


def test_a_pass_is_bounded(store: SqlStore) -> None:
    dependants = [a_submission(f"second-{n}", depends_on=WHOLE) for n in range(5)]
    make_runnable(store, a_submission("first"), *dependants)
    store.settle(ends(leak_of(store, "first")))
    assert [store.settle_dependencies(2) for _ in range(4)] == [2, 2, 1, 0]
