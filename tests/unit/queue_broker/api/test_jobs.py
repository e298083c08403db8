from __future__ import annotations

import threading

import httpx
import pytest

from headgate.errors import Unavailable
from headgate.job import Job
from headgate.lifecycle import Cause, State
from headgate.sweep import Sweep
from queue_broker.api import jobs
from queue_broker.records import JobId, Tasks
from queue_broker.verdicts import Fail
from tests.factories import ends
from tests.unit.queue_broker.api.serving import Edge, problem

JOB = Job(name="train", command=("echo", "hello"))
SWEEP = Sweep(job=JOB, size=10)


@pytest.fixture
def job_id(edge: Edge) -> JobId:
    return edge.add(JOB)


@pytest.fixture
def sweep_id(edge: Edge) -> JobId:
    return edge.add(SWEEP)


def test_a_job_is_told_with_what_was_submitted(http: httpx.Client, job_id: JobId) -> None:
    body = http.get(f"/jobs/{job_id}").json()

    assert body["state"] == "SUBMITTED"
    assert body["counts"] == {"SUBMITTED": 1}
    assert body["job"] == {"name": "train", "command": ["echo", "hello"]}


def test_jobs_are_listed_newest_first_page_by_page(http: httpx.Client, edge: Edge) -> None:
    ids = [edge.add(JOB) for _ in range(5)][::-1]

    first = http.get("/jobs", params={"limit": 3}).json()
    second = http.get("/jobs", params={"limit": 3, "after": first["next"]}).json()

    assert [job["job_id"] for job in first["jobs"] + second["jobs"]] == ids
    assert second["next"] is None


def test_jobs_can_be_found_by_what_they_are(http: httpx.Client, edge: Edge) -> None:
    edge.add(JOB)
    wanted = edge.add(Job(name="etl", command=("x",), tier="production", queue="nightly"))

    for filters in ({"name": "etl"}, {"tier": "production"}, {"queue": "nightly"}):
        found = http.get("/jobs", params=filters | {"state": "SUBMITTED"}).json()["jobs"]
        assert [job["job_id"] for job in found] == [wanted]
    assert http.get("/jobs", params={"tenant": "nobody"}).json()["jobs"] == []


def test_tasks_are_listed_by_index_and_by_state(
    http: httpx.Client, edge: Edge, sweep_id: JobId
) -> None:
    edge.store.cancel(sweep_id, Tasks([1, 3]), "not wanted")

    page = http.get(f"/jobs/{sweep_id}/tasks", params={"limit": 4, "after": 0}).json()
    failed = http.get(f"/jobs/{sweep_id}/tasks", params={"state": "FAILED"}).json()

    assert page["tasks"] == [
        {"index": 1, "state": "FAILED"},
        {"index": 2, "state": "SUBMITTED"},
        {"index": 3, "state": "FAILED"},
        {"index": 4, "state": "SUBMITTED"},
    ]
    assert page["next"] == 4
    assert [task["index"] for task in failed["tasks"]] == [1, 3]
    assert failed["next"] is None


def test_a_task_is_told_with_its_attempts(http: httpx.Client, edge: Edge, sweep_id: JobId) -> None:
    edge.estimate(sweep_id)
    leak = edge.leak(sweep_id)
    edge.settle(ends(leak, [7], Fail("exit code 3"), exit_code=3, reason="exit code 3"))

    task = http.get(f"/jobs/{sweep_id}/tasks/7").json()

    assert (task["state"], task["reason"]) == ("FAILED", "exit code 3")
    [attempt] = task["attempts"]
    assert (attempt["exit_code"], attempt["cause"]) == (3, Cause.EXITED)
    assert attempt["usage"]["peak_memory_mib"] == 500.0
    assert http.get(f"/jobs/{sweep_id}/tasks/7/attempts").json() == task["attempts"]
    assert http.get(f"/jobs/{sweep_id}/tasks/7/usage").json() == attempt["usage"]


def test_results_come_in_pages_and_what_has_not_ended_has_none(
    http: httpx.Client, edge: Edge, sweep_id: JobId
) -> None:
    edge.estimate(sweep_id)
    leak = edge.leak(sweep_id)
    edge.settle(ends(leak, [7, 2], Fail("exit code 3"), exit_code=3))
    edge.settle(ends(leak, [4]))

    first = http.get(f"/jobs/{sweep_id}/results", params={"limit": 2}).json()
    second = http.get(f"/jobs/{sweep_id}/results", params={"after": first["next"]}).json()

    assert [(row["index"], row["exit_code"]) for row in first["results"]] == [(2, 3), (7, 3)]
    assert [(row["index"], row["exit_code"]) for row in second["results"]] == [(4, 0)]
    assert second["next"] is None


def test_a_task_without_an_attempt_has_no_usage_yet(http: httpx.Client, job_id: JobId) -> None:
    assert http.get(f"/jobs/{job_id}/tasks/0/usage").json() is None


def test_a_log_is_read_piece_by_piece(http: httpx.Client, edge: Edge, job_id: JobId) -> None:
    edge.estimate(job_id)
    leak = edge.leak(job_id)
    edge.fleet.texts[leak.name, 0] = "a line\n" * 20_000

    text, after = "", None
    while True:
        page = http.get(f"/jobs/{job_id}/tasks/0/logs", params={"after": after or "0"}).json()
        text, after = text + page["text"], page["next"]
        if page["ended"]:
            break

    assert text == "a line\n" * 20_000
    assert page["attempt"] == 1


def test_a_log_before_the_first_attempt_is_empty(http: httpx.Client, job_id: JobId) -> None:
    page = http.get(f"/jobs/{job_id}/tasks/0/logs").json()

    assert (page["text"], page["ended"]) == ("", False)


def test_a_job_cancelled_before_it_ran_has_an_empty_log_for_ever(
    http: httpx.Client, edge: Edge, job_id: JobId
) -> None:
    edge.store.cancel(job_id, None, "not wanted")

    assert http.get(f"/jobs/{job_id}/tasks/0/logs").json()["ended"]


def test_an_attempt_that_was_not_made_is_refused(http: httpx.Client, job_id: JobId) -> None:
    answer = http.get(f"/jobs/{job_id}/tasks/0/logs", params={"attempt": 2})

    assert problem(answer) == (422, "attempt: got 2; allowed: one of the attempts so far: none yet")


def test_shapes_say_what_waits_and_what_it_will_get(
    http: httpx.Client, edge: Edge, sweep_id: JobId
) -> None:
    edge.estimate(sweep_id, memory_mib=2048)
    group = edge.store.groups(sweep_id)[0]
    edge.store.hold({group.group_id: "the quota of acme is used up"})

    [shape] = http.get(f"/jobs/{sweep_id}/estimate").json()

    assert (shape["waiting"], shape["tasks_waiting"]) == ("0-9", 10)
    assert shape["estimate"]["allocation"]["memory_mib"] == 2048
    assert shape["hold"] == "the quota of acme is used up"
    assert http.get(f"/jobs/{sweep_id}/tasks/3").json()["reason"] == shape["hold"]


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/nobody",
        "/jobs/nobody/estimate",
        "/jobs/nobody/tasks",
        "/jobs/nobody/results",
        "/jobs/nobody/tasks/0",
        "/jobs/nobody/tasks/0/attempts",
        "/jobs/nobody/tasks/0/logs",
        "/jobs/nobody/tasks/0/usage",
    ],
)
def test_a_job_that_is_not_there_is_not_found(http: httpx.Client, path: str) -> None:
    status, message = problem(http.get(path))

    assert status == 404
    assert "nobody" in message


@pytest.mark.parametrize("index", [-1, 10])
def test_a_task_that_is_not_there_is_not_found(
    http: httpx.Client, sweep_id: JobId, index: int
) -> None:
    for part in ("", "/attempts", "/logs", "/usage"):
        status, message = problem(http.get(f"/jobs/{sweep_id}/tasks/{index}{part}"))
        assert status == 404
        assert "tasks 0 to 9" in message


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/jobs?limit=0", "limit: got '0'; allowed: greater than or equal to 1"),
        ("/jobs?colour=red", "colour: got 'red'; allowed: only documented fields"),
        ("/jobs?state=LOST", "state: got 'LOST'; allowed: 'SUBMITTED', 'PENDING'"),
        ("/jobs/x?wait_s=61", "wait_s: got '61'"),
        ("/jobs/x/tasks/first", "index: got 'first'; allowed: a valid integer"),
        ("/jobs/%00", "job_id: got '\\x00'"),
        ("/jobs?after=%00", "after: got '\\x00'"),
        ("/jobs?after=nonsense", "after: got 'nonsense'; allowed: a job that is kept"),
        ("/jobs/x/tasks?after=99999999999", "after: got '99999999999'"),
        ("/queue?limit=1001", "limit: got '1001'"),
    ],
)
def test_a_wrong_question_is_refused_by_name(http: httpx.Client, path: str, words: str) -> None:
    status, message = problem(http.get(path))

    assert status == 422
    assert words in message


def test_a_long_poll_answers_as_soon_as_a_count_changes(
    http: httpx.Client, edge: Edge, sweep_id: JobId
) -> None:
    answers: list[httpx.Response] = []
    query = {"wait_s": "60", "seen": "a-0-0-0-0-0-0"}
    url = f"/jobs/{sweep_id}"
    asking = threading.Thread(target=lambda: answers.append(http.get(url, params=query)))
    asking.start()

    edge.store.cancel(sweep_id, Tasks([0]), "not wanted")
    asking.join(30)

    assert answers[0].json()["counts"] == {"SUBMITTED": 9, "FAILED": 1}


def test_a_long_poll_ends_at_its_time(http: httpx.Client, job_id: JobId) -> None:
    query = {"wait_s": "0.1", "seen": "1-0-0-0-0-0-0"}

    assert http.get(f"/jobs/{job_id}", params=query).json()["state"] == "SUBMITTED"


def test_a_long_poll_on_what_is_finished_does_not_wait(
    http: httpx.Client, edge: Edge, job_id: JobId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "FIRST_LOOK_S", "never")
    edge.store.cancel(job_id, None, "not wanted")

    state = http.get(f"/jobs/{job_id}", params={"wait_s": 60}).json()["state"]

    assert state == State.FAILED


def test_a_store_that_is_away_is_503_with_a_time_to_come_back(
    http: httpx.Client, edge: Edge, job_id: JobId, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object) -> None:
        raise Unavailable("the database is away")

    monkeypatch.setattr(edge.store, "job", away)
    monkeypatch.setattr(edge.store, "add", away)

    for answer in (http.get(f"/jobs/{job_id}"), http.post("/jobs", content=JOB.model_dump_json())):
        assert problem(answer) == (503, "the database is away")
        assert answer.headers["retry-after"] == "1"


def test_a_bug_is_answered_with_the_id_under_which_it_is_logged(
    http: httpx.Client,
    edge: Edge,
    job_id: JobId,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setattr(edge.store, "job", broken)

    status, message = problem(http.get(f"/jobs/{job_id}"))

    assert status == 500
    assert "secret" not in message
    error_id = message.rpartition(" ")[2]
    assert any(error_id in record.getMessage() for record in caplog.records)


def test_a_path_that_is_not_there_is_told_in_json(http: httpx.Client) -> None:
    assert problem(http.get("/nowhere")) == (404, "GET /nowhere: Not Found")
    assert problem(http.delete("/jobs"))[0] == 405
