from __future__ import annotations

import httpx
import pytest

from headgate.job import Job
from headgate.lifecycle import State
from headgate.sweep import Sweep
from queue_broker.records import JobId
from tests.unit.queue_broker.api.serving import Edge, problem

JOB = Job(name="train", command=("echo", "hello"))


@pytest.fixture
def sweep_id(edge: Edge) -> JobId:
    return edge.add(Sweep(job=JOB, size=1000))


def test_a_slice_is_cancelled(http: httpx.Client, edge: Edge, sweep_id: JobId) -> None:
    answer = http.post(f"/jobs/{sweep_id}/cancel", json={"tasks": "0-99,200", "reason": "enough"})

    assert answer.json() == {"tasks": "0-99,200", "count": 101}
    assert edge.store.job(sweep_id).counts[State.FAILED] == 101
    assert edge.changes == 1


def test_each_task_tells_what_it_was_cancelled_for(http: httpx.Client, sweep_id: JobId) -> None:
    for tasks, reason in (("0-9", "enough"), ("20", "a typo")):
        http.post(f"/jobs/{sweep_id}/cancel", json={"tasks": tasks, "reason": reason})

    told = [http.get(f"/jobs/{sweep_id}/tasks/{task}").json()["reason"] for task in (3, 20)]

    assert told == ["enough", "a typo"]


def test_a_cancel_may_be_repeated(http: httpx.Client, edge: Edge, sweep_id: JobId) -> None:
    counts = [http.post(f"/jobs/{sweep_id}/cancel", json={}).json()["count"] for _ in range(2)]

    assert counts == [1000, 0]
    assert edge.store.job(sweep_id).state is State.FAILED


def test_failed_tasks_are_tried_again(http: httpx.Client, edge: Edge, sweep_id: JobId) -> None:
    http.post(f"/jobs/{sweep_id}/cancel", json={"tasks": "0-9"})

    answer = http.post(f"/jobs/{sweep_id}/retry", json={"tasks": "0-4"})

    assert answer.json() == {"count": 5}
    assert edge.store.job(sweep_id).counts[State.FAILED] == 5


def test_priority_changes(http: httpx.Client, sweep_id: JobId) -> None:
    assert http.post(f"/jobs/{sweep_id}/priority", json={"priority": 9}).json()["priority"] == 9


def test_a_job_moves_to_another_tenant_and_tier(http: httpx.Client, sweep_id: JobId) -> None:
    to = {"tenant": "vision", "tier": "production"}

    moved = http.post(f"/jobs/{sweep_id}/move", json=to).json()

    assert {name: moved[name] for name in to} == to


@pytest.mark.parametrize(
    ("verb", "body", "words"),
    [
        ("cancel", {"tasks": "9-0"}, "tasks: got '9-0'; allowed: indexes and ranges such as"),
        ("cancel", {"tasks": "1000"}, "tasks: got 1000; allowed: indexes 0 to 999"),
        ("cancel", {"reason": "\0"}, "reason: got '\\x00'"),
        ("cancel", {"task": "1"}, "task: got '1'; allowed: only documented fields"),
        ("retry", {"tasks": "x"}, "tasks: got 'x'"),
        ("priority", {"priority": 10_000}, "priority: got 10000; allowed: less than or equal"),
        ("priority", {}, "priority: got nothing; allowed: a value"),
        ("move", {}, "tenant: got neither; allowed: a tenant, a tier or both"),
        ("move", {"tier": "gold"}, "tier: got 'gold'; allowed: one of production"),
    ],
)
def test_a_wrong_wish_is_refused_and_changes_nothing(
    http: httpx.Client, edge: Edge, sweep_id: JobId, verb: str, body: dict[str, object], words: str
) -> None:
    status, message = problem(http.post(f"/jobs/{sweep_id}/{verb}", json=body))

    assert status == 422
    assert words in message
    assert edge.store.job(sweep_id).counts[State.SUBMITTED] == 1000


@pytest.mark.parametrize(
    ("verb", "body"),
    [("cancel", {}), ("retry", {}), ("priority", {"priority": 1}), ("move", {"tier": "sweep"})],
)
def test_a_wish_for_a_job_that_is_not_there_is_not_found(
    http: httpx.Client, verb: str, body: dict[str, object]
) -> None:
    assert problem(http.post(f"/jobs/nobody/{verb}", json=body))[0] == 404
