"""Reads for people: jobs, tasks and attempts."""

from __future__ import annotations

import pytest

from headgate.errors import InvalidInput, NotFound
from headgate.lifecycle import Cause, State
from queue_broker.adapters.store.store import SqlStore
from queue_broker.records import JobId, JobRecord
from queue_broker.verdicts import Fail, Retry
from tests.contract.stores import accept, leak_all, make_runnable
from tests.factories import (
    START_S,
    a_submission,
    a_sweep,
    a_usage,
    an_estimate,
    an_intent,
    ends,
    starts,
    taken,
)

SWEEP = JobId("sweep-1")


def in_every_state(store: SqlStore) -> None:
    """Ten tasks: 0-1 wait, 2-3 start, 4-5 run, 6-7 succeeded, 8-9 failed."""
    [group] = make_runnable(store, a_sweep(size=10))
    [leak] = store.write_intents([an_intent(group, range(2, 10))], START_S)
    store.handed_over(taken([leak]), START_S)
    store.started(starts(leak, range(4, 10)))
    store.settle([*ends(leak, [6, 7]), *ends(leak, [8, 9], Fail("exit code 1"), exit_code=1)])


def test_every_task_stands_in_one_state(store: SqlStore) -> None:
    in_every_state(store)
    states = [store.state_of(SWEEP, task)[0] for task in range(10)]
    expected = ("RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
    assert states == [State(name) for name in expected for _ in range(2)]


@pytest.mark.parametrize(
    ("state", "tasks"),
    [("RUNNABLE", [0, 1]), ("STARTING", [2, 3]), ("RUNNING", [4, 5]), ("SUCCEEDED", [6, 7]),
     ("FAILED", [8, 9]), ("SUBMITTED", []), ("PENDING", [])],
)  # fmt: skip
def test_tasks_are_listed_by_state(store: SqlStore, state: str, tasks: list[int]) -> None:
    in_every_state(store)
    assert store.tasks_in(SWEEP, State(state), -1, 10) == tasks


def test_tasks_are_listed_page_by_page(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=100_000))
    page = store.tasks_in(SWEEP, State.RUNNABLE, 49_999, 3)
    assert page == [50_000, 50_001, 50_002]
    assert store.tasks_in(SWEEP, State.RUNNABLE, 99_998, 3) == [99_999]
    assert store.tasks_in(SWEEP, State.RUNNABLE, 99_999, 3) == []


@pytest.mark.parametrize("task", [-1, 10])
def test_a_task_that_a_job_has_not_is_not_found(store: SqlStore, task: int) -> None:
    accept(store, a_sweep(size=10))
    with pytest.raises(NotFound, match="0 to 9"):
        store.state_of(SWEEP, task)
    with pytest.raises(NotFound, match="0 to 9"):
        store.attempts(SWEEP, task)


def test_an_attempt_is_remembered_whole(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=3))
    [leak] = leak_all(store)
    store.started(starts(leak, [1], at_s=START_S + 9))
    [running] = store.attempts(SWEEP, 1)
    assert (running.started_at_s, running.cause) == (START_S + 9, None)
    usage = a_usage(41.5, 777.0)
    killed = {"cause": Cause.OUT_OF_MEMORY, "exit_code": 137, "at_s": START_S + 50, "usage": usage}
    store.settle(ends(leak, [1], Retry(an_estimate(2048), "out of memory"), **killed))
    [attempt] = store.attempts(SWEEP, 1)
    assert attempt.task == 1
    assert (attempt.leak, attempt.lane, attempt.attempt) == (leak.name, "local", 1)
    assert (attempt.started_at_s, attempt.stopped_at_s) == (START_S + 9, START_S + 50)
    assert (attempt.cause, attempt.exit_code) == (Cause.OUT_OF_MEMORY, 137)
    assert (attempt.reason, attempt.usage) == ("out of memory", usage)
    assert attempt.allocation == leak.allocation


def test_attempts_come_oldest_first_with_the_running_one(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=3))
    [leak] = leak_all(store)
    store.settle(ends(leak, [1], Retry(an_estimate(2048), "out of memory")))
    second = store.write_intents([an_intent(store.eligible(1)[0])], START_S + 100)[0]
    store.started(starts(second, at_s=START_S + 101))
    attempts = store.attempts(SWEEP, 1)
    assert [(a.attempt, a.stopped_at_s) for a in attempts] == [(1, START_S + 60), (2, None)]
    assert attempts[1].started_at_s == START_S + 101
    assert len(store.attempts(SWEEP, 0)) == 1


def test_ends_with_different_fields_share_a_batch(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=4))
    [leak] = leak_all(store)
    usages = [a_usage(10.0 * n, 100.0 + n) for n in range(4)]
    batch = [end for n in range(4) for end in ends(leak, [n], usage=usages[n], exit_code=n)]
    batch[2:3] = ends(leak, [2], usage=None, exit_code=None)
    store.settle(batch)
    found = [store.attempts(SWEEP, n)[0] for n in range(4)]
    assert [a.exit_code for a in found] == [0, 1, None, 3]
    assert [a.usage for a in found] == [usages[0], usages[1], None, usages[3]]


def names(records: list[JobRecord]) -> list[str]:
    return [record.job_id for record in records]


def test_jobs_are_listed_newest_first_and_paged(store: SqlStore) -> None:
    accept(store, *(a_submission(f"job-{n}") for n in range(5)))
    assert names(store.jobs(limit=2)) == ["job-4", "job-3"]
    assert names(store.jobs(limit=2, after="job-3")) == ["job-2", "job-1"]
    assert names(store.jobs(limit=2, after="job-0")) == []
    with pytest.raises(InvalidInput, match="after: got 'nobody'; allowed: a job that is kept"):
        store.jobs(after="nobody")


def test_jobs_are_filtered(store: SqlStore) -> None:
    accept(
        store,
        a_submission("a", name="train"),
        a_submission("b", name="score", queue="fast"),
        a_submission("c", tenant="globex", tier="production"),
    )
    store.cancel(JobId("a"), None, "why")
    assert names(store.jobs(tenant="acme")) == ["b", "a"]
    assert names(store.jobs(tier="production")) == ["c"]
    assert names(store.jobs(queue="fast")) == ["b"]
    assert names(store.jobs(name="train", tenant="acme")) == ["a"]
    assert names(store.jobs(state="FAILED")) == ["a"]
    assert names(store.jobs(state=None)) == ["c", "b", "a"]


def test_an_unknown_filter_names_the_known_ones(store: SqlStore) -> None:
    with pytest.raises(InvalidInput, match="colour"):
        store.jobs(colour="red")


def test_the_stored_state_of_a_job_is_its_records_own(store: SqlStore) -> None:
    in_every_state(store)
    make_runnable(store, a_submission("single"))
    for record in store.jobs():
        assert names(store.jobs(state=record.state))[:1] == [record.job_id]


def test_groups_of_a_job_are_all_told(store: SqlStore) -> None:
    make_runnable(store, a_sweep(size=3))
    [leak] = leak_all(store)
    store.settle(ends(leak, [1], Retry(an_estimate(2048), "out of memory")))
    assert [group.attempt for group in store.groups(SWEEP)] == [1, 2]


def test_a_job_that_is_not_there_is_not_found(store: SqlStore) -> None:
    with pytest.raises(NotFound, match="nobody"):
        store.job(JobId("nobody"))
    with pytest.raises(NotFound, match="nobody"):
        store.groups(JobId("nobody"))
