"""Ended attempts as history, their way to the lake, and finished jobs that leave."""

from __future__ import annotations

import pytest

from headgate.job import Dependency
from headgate.lifecycle import Cause
from headgate.sweep import Grid
from queue_broker.adapters.store.store import SqlStore
from queue_broker.records import JobId
from queue_broker.verdicts import Fail
from tests.contract.stores import accept, check_books, leak_all, make_runnable
from tests.factories import START_S, a_submission, a_sweep, a_usage, an_estimate, ends

GRID = Grid(axes={"model": ("tree", "forest"), "depth": tuple(range(8))})
LATER_S = START_S + 1e6


def run_all(store: SqlStore) -> None:
    for leak in leak_all(store):
        store.settle(ends(leak))


def export_all(store: SqlStore) -> None:
    _, span = store.unexported(1_000_000)
    if span is not None:
        store.exported(span)


def test_an_observation_says_what_was_asked_foretold_given_and_used(store: SqlStore) -> None:
    make_runnable(store, a_sweep(grid=GRID, parameters={"fixed": 1}))
    [leak] = leak_all(store)
    store.settle(ends(leak, [13], Fail("out of memory"), cause=Cause.OUT_OF_MEMORY, exit_code=137))
    [[observation], _] = store.observations(0, 10)
    assert observation.job == leak.job
    assert observation.usage == a_usage()
    assert (observation.cause, observation.exit_code) == (Cause.OUT_OF_MEMORY, 137)
    assert (observation.attempt, observation.finished_at_s) == (1, START_S + 60)
    assert observation.allocation == leak.allocation
    assert observation.estimate == an_estimate()
    assert observation.parameters == {"fixed": 1, "model": "forest", "depth": 5}


def test_an_attempt_that_nobody_measured_still_has_its_runtime(store: SqlStore) -> None:
    make_runnable(store, a_submission())
    [leak] = leak_all(store)
    store.settle(ends(leak, usage=None, started_at_s=START_S + 10, at_s=START_S + 70))
    [[observation], _] = store.observations(0, 10)
    assert observation.usage.runtime_s == 60


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_a_cursor_sees_every_attempt_once(store: SqlStore, limit: int) -> None:
    make_runnable(store, a_sweep("a", grid=GRID), a_submission("b"), a_sweep("c", 5))
    run_all(store)
    seen, cursor = [], 0
    while True:
        found, cursor = store.observations(cursor, limit)
        assert len(found) <= limit
        if not found:
            break
        seen += [(o.job.name, str(o.parameters)) for o in found]
    assert len(seen) == 16 + 1 + 5
    assert len(set(seen)) == 16 + 1


def test_a_cursor_at_the_end_stays_there_and_sees_what_comes(store: SqlStore) -> None:
    make_runnable(store, a_submission("a"))
    run_all(store)
    _, cursor = store.observations(0, 10)
    assert store.observations(cursor, 10) == ([], cursor)
    make_runnable(store, a_submission("b"))
    run_all(store)
    assert len(store.observations(cursor, 10)[0]) == 1


def test_who_follows_sees_a_few_of_each_batch_that_ended_since(store: SqlStore) -> None:
    make_runnable(store, a_submission("before"))
    run_all(store)
    nothing, cursor = store.lessons(None, 10, 3)
    make_runnable(store, a_sweep("a", 5, name="sweep"), a_submission("b", name="single"))
    run_all(store)

    found, there = store.lessons(cursor, 10, 3)

    assert nothing == []
    assert sorted(one.job.name for one in found) == ["single", "sweep", "sweep", "sweep"]
    assert store.lessons(there, 10, 3) == ([], there)


def test_who_follows_and_fell_behind_sees_the_latest(store: SqlStore) -> None:
    _, cursor = store.lessons(None, 10, 3)
    for name in ("first", "second", "third"):
        make_runnable(store, a_submission(name, name=name))
        run_all(store)

    found, there = store.lessons(cursor, 2, 3)

    assert [one.job.name for one in found] == ["second", "third"]
    assert store.lessons(there, 2, 3) == ([], there)


def test_what_the_lake_has_is_not_offered_again(store: SqlStore) -> None:
    make_runnable(store, a_sweep("a", 3), a_sweep("b", 4))
    run_all(store)
    first, span = store.unexported(1)
    assert span is not None
    assert len(first) in {3, 4}
    store.exported(span)
    store.exported(span)
    second, _ = store.unexported(100)
    assert len(first) + len(second) == 7
    export_all(store)
    assert store.unexported(100) == ([], None)


def test_finished_jobs_leave_once_the_lake_has_them(store: SqlStore) -> None:
    make_runnable(store, a_sweep("a", 3), a_submission("b"))
    run_all(store)
    assert store.sweep_out(LATER_S, 10) == 0
    export_all(store)
    assert store.sweep_out(START_S - 1, 10) == 0
    assert store.sweep_out(LATER_S, 1) == 1
    assert store.sweep_out(LATER_S, 10) == 1
    assert store.jobs() == []
    check_books(store)


def test_unfinished_jobs_stay(store: SqlStore) -> None:
    make_runnable(store, a_sweep("a", 3))
    [leak] = leak_all(store)
    store.settle(ends(leak, [0]))
    export_all(store)
    assert store.sweep_out(LATER_S, 10) == 0


def test_a_job_stays_while_somebody_waits_for_it(store: SqlStore) -> None:
    after = (Dependency(job_id="a"), Dependency(job_id="b"))
    make_runnable(store, a_submission("a"), a_submission("b"), a_submission("c", depends_on=after))
    run_all(store)
    export_all(store)
    assert store.sweep_out(LATER_S, 10) == 0
    store.cancel(JobId("c"), None, "not needed")
    assert store.sweep_out(LATER_S, 10) == 3


def test_a_client_token_is_free_again_when_its_job_left(store: SqlStore) -> None:
    accept(store, a_submission("a", client_token="t", digest="d"))
    store.cancel(JobId("a"), None, "a typo")
    store.sweep_out(LATER_S, 10)
    accept(store, a_submission("b", client_token="t", digest="other"))
