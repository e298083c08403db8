"""What stands before the gate: estimates, shapes, the order and the backlog."""

from __future__ import annotations

from typing import Any, cast

import pytest
from sqlalchemy import Row
from sqlalchemy.pool import QueuePool

from headgate.job import Dependency
from headgate.lifecycle import Cause, State
from headgate.sweep import Grid
from queue_broker.adapters.store import rows
from queue_broker.adapters.store.rows import to_group
from queue_broker.adapters.store.store import SqlStore
from queue_broker.records import (
    Group,
    JobId,
    Split,
    Tasks,
)
from queue_broker.verdicts import Retry
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
)


def test_a_sweep_is_submitted_as_one_group_of_all_its_tasks(store: SqlStore) -> None:
    accept(store, a_sweep(size=1000))
    [group] = store.submitted(10, 10)
    assert (group.state, group.attempt, group.estimate) == (State.SUBMITTED, 1, None)
    assert group.waiting == Tasks(range(1000))


def test_no_tier_waits_for_its_estimates_behind_the_sweeps_of_another(store: SqlStore) -> None:
    grid = Grid(axes={"x": (1, 2)})
    sweeps = [a_sweep(f"sweep-{n}", tier="sweep", grid=grid) for n in range(4)]
    late = [a_sweep("urgent", tier="production", grid=grid), a_submission("job", tier="production")]
    accept(store, *sweeps, a_sweep("alike"), a_submission("single", tier="sweep"), *late)

    found = [group.job_id for group in store.submitted(5, 2)]

    assert found == ["sweep-0", "sweep-1", "alike", "urgent", "job"]


def test_an_estimate_makes_a_group_runnable(store: SqlStore) -> None:
    [group] = make_runnable(store, a_sweep())
    assert group.state is State.RUNNABLE
    assert group.estimate == an_estimate()
    assert store.submitted(10, 10) == []


def test_a_sweep_is_split_by_shape(store: SqlStore) -> None:
    accept(store, a_sweep(size=10))
    [group] = store.submitted(10, 10)
    small, big = Split(Tasks(range(7)), an_estimate(100)), Split(Tasks([7, 8, 9]), an_estimate(900))
    assert store.estimated([(group, [small, big])]) == [True]
    shapes = {g.estimate.allocation.memory_mib: g.waiting for g in store.eligible(10) if g.estimate}
    assert shapes == {100: small.tasks, 900: big.tasks}
    check_books(store)


def test_what_waits_at_the_gate_can_get_other_shapes(store: SqlStore) -> None:
    [group] = make_runnable(store, a_sweep(size=10))
    some, same = Split(Tasks([0, 1]), an_estimate(4096)), Split(Tasks(range(2, 10)), an_estimate())

    assert store.estimated([(group, [some, same])]) == [True]
    assert store.estimated([(group, [some, same])]) == [False]

    shapes = {g.estimate.allocation.memory_mib: g.waiting for g in store.eligible(10) if g.estimate}
    assert shapes == {4096: some.tasks, 1024: same.tasks}
    check_books(store)


def test_groups_of_a_sweep_may_change_shapes_with_each_other(store: SqlStore) -> None:
    accept(store, a_sweep(size=9))
    [group] = store.submitted(10, 10)
    low, middle, high = (Tasks(range(at, at + 3)) for at in (0, 3, 6))
    sizes = ((low, 512), (middle, 1024), (high, 4096))
    assert store.estimated([(group, [Split(tasks, an_estimate(mib)) for tasks, mib in sizes])])

    others = [Split(low, an_estimate(1024)), Split(middle | high, an_estimate(512))]
    assert store.estimated([(one, others) for one in store.eligible(10)]) == [True] * 3

    shapes = {g.estimate.allocation.memory_mib: g.waiting for g in store.eligible(10) if g.estimate}
    assert shapes == {1024: low, 512: middle | high}
    check_books(store)


@pytest.mark.parametrize("again", [False, True])
def test_the_shapes_of_a_sweep_queue_in_the_order_that_they_are_told_in(
    store: SqlStore, *, again: bool
) -> None:
    accept(store, a_sweep(size=9))
    if again:
        estimate_all(store, 100)
    [group] = store.eligible(10) if again else store.submitted(10, 10)
    sizes = [(Tasks(range(at, at + 3)), mib) for at, mib in ((0, 512), (3, 4096), (6, 1024))]
    splits = [Split(tasks, an_estimate(mib)) for tasks, mib in sizes]

    assert store.estimated([(group, splits)]) == [True]

    assert [one.waiting for one in store.eligible(10)] == [tasks for tasks, _ in sizes]


def test_splits_must_cover_the_group(store: SqlStore) -> None:
    accept(store, a_sweep(size=10))
    [group] = store.submitted(10, 10)
    with pytest.raises(ValueError, match="leave 9 tasks out"):
        store.estimated([(group, [Split(Tasks([0]), an_estimate())])])
    assert counts_of(store, "sweep-1") == {State.SUBMITTED: 10}


def test_an_estimate_of_a_group_that_moved_on_changes_nothing(store: SqlStore) -> None:
    accept(store, a_sweep(size=10), a_submission("other"))
    [group, other] = store.submitted(10, 10)
    store.cancel(JobId("sweep-1"), Tasks([3]), "not this one")
    answers = [(g, [Split(g.waiting, an_estimate())]) for g in (group, other)]
    assert store.estimated(answers) == [False, True]
    assert counts_of(store, "sweep-1") == {State.SUBMITTED: 9, State.FAILED: 1}
    check_books(store)


def test_a_group_is_estimated_once(store: SqlStore) -> None:
    accept(store, a_sweep())
    [group] = store.submitted(10, 10)
    answer = (group, [Split(group.waiting, an_estimate())])
    assert store.estimated([answer]) == [True]
    assert store.estimated([answer]) == [False]


def test_what_waits_at_the_gate_may_be_estimated_again_and_what_was_leaked_stays(
    store: SqlStore,
) -> None:
    [group] = make_runnable(store, a_sweep(size=10))
    [leak] = store.write_intents([an_intent(group, range(4))], START_S)
    [group] = store.eligible(10)
    assert store.estimated([(group, [Split(group.waiting, an_estimate(4096))])]) == [True]
    [after] = store.eligible(10)
    assert (after.estimate, after.waiting) == (an_estimate(4096), Tasks(range(4, 10)))
    assert store.open_leaks() == [leak]
    check_books(store)


def test_the_first_few_of_each_tenant_in_each_tier_stand_at_the_gate(store: SqlStore) -> None:
    tenants = [("acme", "sweep"), ("acme", "production"), ("globex", "sweep")]
    accept(
        store,
        *(
            a_submission(f"{tenant}-{tier}-{n}", tenant=tenant, tier=tier, at_s=START_S + n)
            for tenant, tier in tenants
            for n in range(5)
        ),
    )
    estimate_all(store)
    found = [group.job_id for group in store.eligible(2)]
    assert found == [f"{a}-{b}-{n}" for b, a in sorted((b, a) for a, b in tenants) for n in (0, 1)]


def test_what_is_asked_again_is_as_it_is_now(store: SqlStore) -> None:
    make_runnable(store, a_submission("held"), a_submission("raised"), a_submission("leaked"))
    held, _, leaked = store.eligible(10)

    store.hold({held.group_id: "no room"})
    store.set_priority(JobId("raised"), 7)
    store.write_intents([an_intent(leaked)], START_S)

    assert [(group.job_id, group.priority, group.hold) for group in store.eligible(10)] == [
        ("raised", 7, None),
        ("held", 0, "no room"),
    ]


def test_the_higher_priority_goes_first_and_then_the_older(store: SqlStore) -> None:
    groups = make_runnable(
        store,
        a_submission("young", at_s=START_S + 2),
        a_submission("old", at_s=START_S + 1),
        a_submission("urgent", at_s=START_S + 3, priority=7),
    )
    assert [group.job_id for group in groups] == ["urgent", "old", "young"]


def test_the_backlog_counts_unfinished_tasks_by_tier_and_tenant(store: SqlStore) -> None:
    make_runnable(store, a_sweep("a", 10), a_sweep("b", 5, tenant="globex", tier="production"))
    accept(store, a_sweep("c", 3))
    [production, sweep] = store.backlog()
    assert (production.tier, production.tenant) == ("production", "globex")
    assert production.counts[State.RUNNABLE] == 5
    assert sweep.counts[State.RUNNABLE] == 10
    assert sweep.counts[State.SUBMITTED] == 3


def test_who_looks_at_the_heads_of_the_queue_leaves_a_pass_what_it_knows(store: SqlStore) -> None:
    make_runnable(store, *(a_submission(f"job-{number}") for number in range(5)))
    known = {id(group) for group in store.eligible(10)}

    assert [group.job_id for group in store.heads(2)] == ["job-0", "job-1"]

    assert {id(group) for group in store.eligible(10)} == known  # not one was read again


def test_the_longest_wait_is_told_by_tier_of_those_that_wait_for_a_first_turn(
    store: SqlStore,
) -> None:
    make_runnable(store, a_submission("again", at_s=START_S - 90))
    [leak] = leak_all(store)
    store.settle(ends(leak, None, Retry(an_estimate(2048), "oom"), cause=Cause.OUT_OF_MEMORY))
    after = (Dependency(job_id="again"),)
    accept(store, a_submission("late", at_s=START_S - 70, depends_on=after))
    accept(store, a_submission("old", at_s=START_S - 50), a_submission("new", at_s=START_S - 5))
    accept(store, a_submission("urgent", tier="production", at_s=START_S - 1))
    estimate_all(store)

    assert store.waits(20) == {"sweep": START_S - 50, "production": START_S - 1}


def test_what_stands_at_the_gate_is_made_into_groups_without_a_transaction(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of a long queue takes a new leader longer than PostgreSQL lets one be idle."""
    make_runnable(store, *(a_submission(f"job-{number}") for number in range(3)))
    out: list[int] = []
    pool = cast(QueuePool, store.database.engine.pool)

    def watched(row: Row[Any]) -> Group:
        out.append(pool.checkedout())
        return to_group(row)

    monkeypatch.setattr(rows, "to_group", watched)
    with SqlStore(store.database.url.render_as_string(False)) as fresh:
        pool = cast(QueuePool, fresh.database.engine.pool)
        assert len(fresh.eligible(10)) == 3
    assert out == [0, 0, 0]
