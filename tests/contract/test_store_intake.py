"""Submission is all or nothing, and happens once for each client token."""

from __future__ import annotations

import pytest

from headgate.errors import Conflict, InvalidInput, NotFound
from headgate.job import Dependency
from headgate.lifecycle import State
from headgate.sweep import Grid
from headgate.tenancy import Tenant
from queue_broker.adapters.store.store import SqlStore
from queue_broker.records import Accepted, JobId, Submission
from tests.contract.stores import accept, check_books
from tests.factories import START_S, a_submission, a_sweep, an_estimate, an_intent

GRID = Grid(axes={"model": ("a", "b"), "seed": tuple(range(500)), "rate": (0.1, 0.2, None)})


def test_a_submitted_job_reads_back_as_it_was(store: SqlStore) -> None:
    given = a_submission(
        priority=3, environment={"A": "é"}, parameters={"n": 1, "x": None}, tags={"team": "ml"}
    )
    assert store.add([given]) == [Accepted(given.job_id)]
    record = store.job(given.job_id)
    assert record.job == given.job
    assert (record.tenant, record.tier, record.priority) == ("acme", "sweep", 3)
    assert (record.size, record.array, record.state) == (1, False, State.SUBMITTED)
    assert record.submitted_at_s == START_S


def test_a_job_that_comes_with_its_estimate_is_runnable_at_once(store: SqlStore) -> None:
    accept(store, a_submission("known", estimate=an_estimate()), a_submission("unknown"))

    assert store.job(JobId("known")).state is State.RUNNABLE
    assert [group.job_id for group in store.submitted(10, 10)] == ["unknown"]
    [group] = store.eligible(10)
    assert (group.job_id, group.estimate) == ("known", an_estimate())
    [leak] = store.write_intents([an_intent(group)], START_S)
    assert (leak.job_id, leak.estimate) == ("known", an_estimate())
    check_books(store)


def test_a_grid_is_stored_as_its_axes(store: SqlStore) -> None:
    accept(store, a_sweep(grid=GRID))
    record = store.job(JobId("sweep-1"))
    assert record.parameters == GRID
    assert record.counts[State.SUBMITTED] == 3000


def test_ten_million_tasks_are_one_row(store: SqlStore) -> None:
    accept(store, a_sweep(size=10_000_000))
    [group] = store.submitted(1, 1)
    assert len(group.waiting) == 10_000_000
    assert len(group.waiting.serialize()) < 4000


def test_the_same_client_token_is_the_same_job(store: SqlStore) -> None:
    accept(store, a_submission("first", client_token="t", digest="d"))
    again = a_submission("second", client_token="t", digest="d")
    assert store.add([again]) == [Accepted(JobId("first"), known=True)]
    with pytest.raises(NotFound):
        store.job(JobId("second"))


def test_the_same_client_token_within_one_batch_is_the_same_job(store: SqlStore) -> None:
    twice = [a_submission(name, client_token="t", digest="d") for name in ("first", "second")]
    assert store.add(twice) == [Accepted(JobId("first")), Accepted(JobId("first"), known=True)]


def test_a_client_token_with_another_content_is_a_conflict(store: SqlStore) -> None:
    accept(store, a_submission("first", client_token="t", digest="d"))
    [answer] = store.add([a_submission("second", client_token="t", digest="other")])
    assert isinstance(answer, Conflict)
    assert "job first" in str(answer)


def test_a_client_token_is_its_tenants_own(store: SqlStore) -> None:
    accept(store, a_submission("first", client_token="t"))
    accept(store, a_submission("second", client_token="t", tenant="globex"))


def test_a_client_token_is_known_wherever_the_job_was_moved(store: SqlStore) -> None:
    accept(store, a_submission("first", client_token="t", digest="d"))
    store.move(JobId("first"), "globex", None)
    again = a_submission("second", client_token="t", digest="d")
    assert store.add([again]) == [Accepted(JobId("first"), known=True)]


def test_a_job_id_is_taken_once(store: SqlStore) -> None:
    accept(store, a_submission("first"))
    [answer] = store.add([a_submission("first")])
    assert isinstance(answer, Conflict)


def test_a_dependency_on_nothing_names_the_field(store: SqlStore) -> None:
    missing = (Dependency(job_id="nobody"),)
    [answer, other] = store.add([a_submission("a", depends_on=missing), a_submission("b")])
    assert isinstance(answer, NotFound)
    assert "depends_on.0.job_id" in str(answer)
    assert other == Accepted(JobId("b"))


def test_a_dependency_on_itself_names_the_field(store: SqlStore) -> None:
    [answer] = store.add([a_submission("a", depends_on=(Dependency(job_id="a"),))])
    assert isinstance(answer, InvalidInput)
    assert answer.problems[0].field == "depends_on.0.job_id"


def test_a_dependency_on_an_earlier_job_of_the_batch_is_fine(store: SqlStore) -> None:
    accept(store, a_submission("a"), a_submission("b", depends_on=(Dependency(job_id="a"),)))


def test_a_dependency_on_what_was_refused_is_refused(store: SqlStore) -> None:
    chain = [
        a_submission("a", depends_on=(Dependency(job_id="nobody"),)),
        a_submission("b", depends_on=(Dependency(job_id="a"),)),
    ]
    assert all(isinstance(answer, NotFound) for answer in store.add(chain))


@pytest.mark.parametrize("other", [a_sweep("a", 9), a_submission("a")])
def test_n_to_n_wants_two_sweeps_of_one_size(store: SqlStore, other: Submission) -> None:
    accept(store, other)
    n_to_n = (Dependency(job_id="a", type="N_TO_N"),)
    [answer] = store.add([a_sweep("b", 10, depends_on=n_to_n)])
    assert isinstance(answer, InvalidInput)
    assert answer.problems[0].field == "depends_on.0.type"


def test_sequential_wants_a_sweep(store: SqlStore) -> None:
    sequential = (Dependency(job_id="a", type="SEQUENTIAL"),)
    [answer] = store.add([a_submission("a", depends_on=sequential)])
    assert isinstance(answer, InvalidInput)


def test_tenants_that_say_what_they_said_are_not_read_anew(store: SqlStore) -> None:
    store.put_tenant(Tenant(name="acme", weight=3))
    store.put_tenant(Tenant(name="umbrella", weight=1))
    before = store.tenants()

    store.put_tenant(Tenant(name="umbrella", weight=2))

    now = store.tenants()
    assert now[0] is before[0]
    assert now[1] == Tenant(name="umbrella", weight=2)


def test_tenants_are_known_once_they_were_seen_or_set(store: SqlStore) -> None:
    accept(store, a_submission(tenant="acme/vision"))
    store.put_tenant(Tenant(name="acme", weight=3))
    store.put_tenant(Tenant(name="acme/vision", weight=2, parent="acme"))
    assert store.tenants() == [
        Tenant(name="acme", weight=3),
        Tenant(name="acme/vision", weight=2, parent="acme"),
    ]


def test_a_big_batch_is_accepted_in_order(store: SqlStore) -> None:
    batch = [a_submission(f"job-{n}", client_token=f"t{n % 400}", digest="d") for n in range(500)]
    answers = store.add(batch)
    assert [getattr(a, "known", None) for a in answers] == [False] * 400 + [True] * 100
    assert [row.job_id for row in store.jobs(limit=2)] == ["job-399", "job-398"]
    check_books(store)


def test_nothing_to_submit_is_no_work(store: SqlStore) -> None:
    assert store.add([]) == []
    assert [*store.backlog(), *store.jobs(), *store.open_leaks()] == []
