"""Many jobs told at once: the same as one by one, on SQLite and PostgreSQL."""

from __future__ import annotations

import pytest

from headgate.lifecycle import Cause, State
from queue_broker.adapters.store.standings import SqlDescriber
from queue_broker.adapters.store.store import SqlStore
from queue_broker.events import Ended
from queue_broker.records import JobId, Leak, Listing, Split, Tasks
from queue_broker.verdicts import Fail, Judged, Requeue, Succeed
from tests.factories import START_S, a_submission, a_sweep, an_estimate, an_intent, starts, taken


@pytest.fixture
def describer(store: SqlStore) -> SqlDescriber:
    return SqlDescriber(store.database)


def leak(store: SqlStore, job_id: str, tasks: Tasks | None = None) -> Leak:
    """SUBMITTED or RUNNABLE -> RUNNING."""
    group = next(one for one in store.groups(JobId(job_id)) if one.waiting)
    if group.state is State.SUBMITTED:
        store.estimated([(group, [Split(group.waiting, an_estimate())])])
        group = next(one for one in store.groups(JobId(job_id)) if one.waiting)
    made = store.write_intents([an_intent(group, tasks)], START_S)[0]
    store.handed_over(taken([made]), START_S)
    store.started(starts(made))
    return made


def end(store: SqlStore, made: Leak, task: int, code: int) -> None:
    ended = Ended(made.name, task, START_S + 9, Cause.EXITED, code, started_at_s=START_S + 1)
    verdict = Fail(f"exit code {code}") if code else Succeed()
    store.settle([Judged(ended, verdict)])


def test_jobs_arrays_and_children_are_told_as_they_stand(
    store: SqlStore, describer: SqlDescriber
) -> None:
    store.add([a_submission("single"), a_submission("waits"), a_sweep("sweep", 4)])
    end(store, leak(store, "single"), 0, 0)
    made = leak(store, "sweep", Tasks([0, 1, 2]))
    end(store, made, 1, 3)
    asked = ["sweep", "single", "waits", "none"]
    told = describer.standings([(JobId(one), None) for one in asked])
    assert [(one.record.job_id, one.state) for one in told] == [
        ("sweep", State.PENDING),
        ("single", State.SUCCEEDED),
        ("waits", State.SUBMITTED),
    ]
    children = describer.standings([(JobId("sweep"), task) for task in (1, 2, 3, 4)])
    assert [one.state for one in children] == [State.FAILED, State.RUNNING, State.RUNNABLE]
    assert [len(one.attempts) for one in children] == [1, 1, 0]


def test_attempts_are_those_that_are_told_one_by_one(
    store: SqlStore, describer: SqlDescriber
) -> None:
    store.add([a_sweep("sweep", 5)])
    made = leak(store, "sweep")
    end(store, made, 2, 3)
    for _ in range(2):  # the second time the ends are remembered
        told = describer.standings([(JobId("sweep"), task) for task in range(5)])
        for one in told:
            assert one.task is not None
            assert list(one.attempts) == store.attempts(JobId("sweep"), one.task)


def test_what_was_told_before_is_told_as_it_is_now(
    store: SqlStore, describer: SqlDescriber
) -> None:
    store.add([a_submission("single", estimate=an_estimate()), a_sweep("sweep", 2)])

    def told() -> list[tuple[State, str | None, int]]:
        asked = [(JobId("single"), None), (JobId("sweep"), 0), (JobId("sweep"), 1)]
        found = describer.standings(asked)
        assert found == describer.standings(asked) == SqlDescriber(store.database).standings(asked)
        return [
            (one.state, one.hold if one.state is State.RUNNABLE else None, len(one.attempts))
            for one in found
        ]

    assert told()[0] == (State.RUNNABLE, None, 0)
    [group] = store.groups(JobId("single"))
    store.hold({group.group_id: "no room"})
    assert told()[0] == (State.RUNNABLE, "no room", 0)
    made = leak(store, "single")
    assert told()[0] == (State.RUNNING, None, 1)
    store.settle([Judged(Ended(made.name, 0, START_S + 9, Cause.EXITED, 1), Requeue("stopped"))])
    assert told()[0] == (State.RUNNABLE, "no room", 1)
    leak(store, "single")
    assert told()[0] == (State.RUNNING, None, 2)

    end(store, leak(store, "sweep", Tasks([0])), 0, 1)
    assert [state for state, *_ in told()[1:]] == [State.FAILED, State.RUNNABLE]
    store.retry_failed(JobId("sweep"), Tasks([0]))
    store.cancel(JobId("sweep"), Tasks([1]), "enough")
    assert [state for state, *_ in told()[1:]] == [State.RUNNABLE, State.FAILED]


def test_each_child_tells_what_it_failed_for_and_the_whole_what_it_was_told_last(
    store: SqlStore, describer: SqlDescriber
) -> None:
    sweep = JobId("sweep")
    store.add([a_sweep("sweep", 4)])
    end(store, leak(store, "sweep", Tasks([2])), 2, 3)
    store.cancel(sweep, Tasks([0]), "a typo")
    store.cancel(sweep, Tasks([1]), "no more")
    told = describer.standings([(sweep, task) for task in (None, 0, 1, 2, 3)])
    assert [one.failure for one in told] == [None, "a typo", "no more", None, None]
    assert told[0].record.reason == "no more"


def test_lists_are_by_queue_state_name_and_time(store: SqlStore, describer: SqlDescriber) -> None:
    store.add(
        [
            a_submission("old", name="Alpha", queue="q", at_s=START_S),
            a_submission("new", name="alpha_2", queue="q", at_s=START_S + 10),
            a_submission("other", name="alpha", queue="elsewhere"),
            a_sweep("sweep", 2, name="beta", queue="q", at_s=START_S + 20),
        ]
    )
    leak(store, "sweep")
    leak(store, "old")

    def listed(**more: object) -> list[JobId]:
        found = describer.listed(Listing("q", **more))  # type: ignore[arg-type]
        return [one.job_id for one in found]

    assert listed() == ["sweep", "new", "old"]
    assert listed(limit=1, after=JobId("sweep")) == ["new"]
    assert listed(state=State.RUNNING) == ["old"]
    assert listed(state=State.PENDING) == ["sweep"]
    assert listed(state=State.SUBMITTED) == ["new"]
    assert listed(name="ALPHA*") == ["new", "old"]
    assert listed(name="alpha") == ["old"]
    assert listed(name="alpha_*") == ["new"]
    assert listed(submitted_after_s=START_S + 5, submitted_before_s=START_S + 15) == ["new"]


def test_the_engine_s_id_is_told_as_soon_as_it_is_known(
    store: SqlStore, describer: SqlDescriber
) -> None:
    store.add([a_sweep("sweep", 3)])
    (group,) = store.groups(JobId("sweep"))
    store.estimated([(group, [Split(group.waiting, an_estimate())])])
    (group,) = store.eligible(1)
    leaks = store.write_intents([an_intent(group, group.waiting - Tasks([0]))], START_S)
    asked = [(JobId("sweep"), 2)]

    def told() -> str | None:
        (one,) = describer.standings(asked)
        (attempt,) = one.attempts
        return attempt.child

    assert (told(), told()) == (None, None)
    store.handed_over(taken(leaks), START_S)
    assert (told(), told()) == ("engine-sweep-1:1", "engine-sweep-1:1")
