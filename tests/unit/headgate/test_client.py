from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

import headgate
from headgate import AsyncClient, Client, Job, default
from headgate.errors import BrokerUnreachable, HeadgateError, InvalidInput, WaitTimeout
from headgate.handles import SweepHandle
from headgate.lifecycle import State
from headgate.progress import done

JOB = Job(name="train", command=("true",))
Handler = Callable[[httpx.Request], httpx.Response]


def a_client(handler: Handler, token: str | None = None) -> Client:
    return Client("http://broker", token, httpx.MockTransport(handler))


def a_job(state: State = State.RUNNING, size: int = 1, **fields: object) -> dict[str, object]:
    plain = {
        "job_id": "id",
        "name": "train",
        "state": state,
        "tenant": "acme",
        "tier": "sweep",
        "queue": "default",
        "priority": 0,
        "size": size,
        "array": size > 1,
        "counts": {state: size},
        "submitted_at_s": 0.0,
    }
    return plain | fields


class Broker:
    """Answers from a script, and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def body(self, place: int = 0) -> dict[str, object]:
        body: dict[str, object] = json.loads(self.requests[place].content)
        return body


def taken() -> httpx.Response:
    return httpx.Response(201, json={"job_id": "id"})


def test_a_job_is_sent_as_it_was_written_with_a_client_token() -> None:
    broker = Broker(taken())

    handle = a_client(broker).submit(JOB)

    body = broker.body()
    assert body.pop("client_token")
    assert body == {"name": "train", "command": ["true"]}
    assert (handle.id, handle["jobId"], handle["jobName"]) == ("id", "id", "train")


def test_a_second_try_carries_the_same_client_token() -> None:
    broker = Broker(
        httpx.ReadError("cut"), httpx.Response(503, headers={"retry-after": "0"}), taken()
    )

    a_client(broker).submit(JOB)

    assert broker.body(0) == broker.body(1) == broker.body(2)


def test_two_submissions_have_two_client_tokens() -> None:
    broker = Broker(taken(), taken())
    client = a_client(broker)

    client.submit(JOB)
    client.submit(JOB)

    assert broker.body(0)["client_token"] != broker.body(1)["client_token"]


def test_a_client_token_of_ones_own_is_kept() -> None:
    broker = Broker(taken())

    a_client(broker).submit(JOB.model_copy(update={"client_token": "mine"}))

    assert broker.body()["client_token"] == "mine"


def test_boto3_arguments_are_submitted_as_they_are() -> None:
    broker = Broker(taken(), taken())
    client = a_client(broker)

    job = client.submit(jobName="train", jobQueue="prod", jobDefinition="train:3")
    array = client.submit(
        jobName="train", jobQueue="prod", jobDefinition="train:3", arrayProperties={"size": 9}
    )

    assert [request.url.path for request in broker.requests] == ["/jobs", "/sweeps"]
    assert job["jobId"] == "id"
    assert isinstance(array, SweepHandle)


def test_submit_wants_a_job_or_arguments_and_not_both() -> None:
    client = a_client(Broker())

    with pytest.raises(InvalidInput, match=r"either a headgate\.Job or boto3's"):
        client.submit(**{})
    with pytest.raises(InvalidInput, match=r"either a headgate\.Job or boto3's"):
        client.submit(JOB, jobName="x")  # type: ignore[call-overload]


def test_a_grid_may_be_made_of_anything_that_can_be_iterated() -> None:
    import numpy as np

    broker = Broker(taken())
    axes: Any = {"lr": np.array([0.5, 0.25]), "depth": range(3, 5), "loss": ("l1", None)}

    a_client(broker).submit_sweep(JOB, grid=axes)

    grid = {"axes": {"lr": [0.5, 0.25], "depth": [3, 4], "loss": ["l1", None]}}
    assert broker.body()["grid"] == grid


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (range(10**10), "at most 500,000 values; more want to be a table"),
        (itertools.count(), "at most 500,000 values; more want to be a table"),
        ("0.1", "grid.rate: got '0.1'; allowed: a list of values"),
        (0.1, "grid.rate: got 0.1; allowed: a list of values"),
    ],
)
def test_an_axis_that_cannot_be_meant_is_refused_at_once(values: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        a_client(Broker()).submit_sweep(JOB, grid={"rate": values})


def test_what_is_submitted_must_be_a_job() -> None:
    for given in ({"name": "x"}, "train.py"):
        with pytest.raises(InvalidInput, match=r"job: got .*; allowed: a headgate\.Job"):
            a_client(Broker()).submit(given)  # type: ignore[call-overload]
        with pytest.raises(InvalidInput, match=r"job: got .*; allowed: a headgate\.Job"):
            a_client(Broker()).submit_sweep(given, size=3)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match=r"job: got .*; allowed: a headgate\.Job"):
            a_client(Broker()).estimate(given)  # type: ignore[arg-type]


@pytest.mark.parametrize("job_id", ["", None])
def test_what_is_no_id_is_refused_before_it_is_asked_for(job_id: Any) -> None:
    with pytest.raises(InvalidInput, match=r"job_id: got .*; allowed: the id"):
        a_client(Broker()).job(job_id).status()


@pytest.mark.parametrize(
    "page",
    [
        httpx.Response(200, text="<html>Welcome to nginx</html>"),
        httpx.Response(200, json={"status": "ok"}),
        httpx.Response(302, headers={"location": "https://login"}, text="Moved"),
    ],
)
def test_whatever_else_answers_is_no_broker(page: httpx.Response) -> None:
    with pytest.raises(HeadgateError, match=r"no Headgate broker|HTTP 302: Moved"):
        a_client(Broker(page)).job("id").status()


def test_axes_without_names_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"grid: got .*; allowed: the axes by name"):
        a_client(Broker()).submit_sweep(JOB, grid=[1, 2])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ({}, "sweep: got 'nothing'; allowed: one of grid, table or size"),
        ({"size": 3, "grid": {"a": [1]}}, "got 'grid, size'"),
        ({"size": 0}, "size: got 0"),
        ({"grid": {"a": []}}, r"grid.axes.a: got \[\]"),
        ({"grid": {}}, r"grid.axes: got \{\}"),
    ],
)
def test_a_sweep_is_checked_before_it_is_sent(kinds: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        a_client(Broker()).submit_sweep(JOB, **kinds)  # type: ignore[arg-type]


def test_the_token_goes_with_every_request() -> None:
    broker = Broker(taken())

    a_client(broker, token="secret").submit(JOB)

    assert broker.requests[0].headers["authorization"] == "Bearer secret"


def test_the_environment_says_where_and_who(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_URL", "http://elsewhere:1234")
    monkeypatch.setenv("HEADGATE_TOKEN", "secret")

    client = default.client()

    assert client.url == "http://elsewhere:1234"
    assert client is default.client()
    monkeypatch.setenv("HEADGATE_URL", "http://third:1")
    assert default.client().url == "http://third:1"


def test_the_environment_may_be_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADGATE_URL", raising=False)

    with Client() as client:
        assert client.url == "http://127.0.0.1:8470"


@pytest.mark.parametrize("url", ["broker:8470", "ftp://broker", "http://", "http://[::1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="HEADGATE_URL: got"):
        Client(url)


def test_no_broker_is_said_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.flows.BACKOFF_S", ())
    broker = Broker(httpx.ConnectError("refused"))

    with pytest.raises(BrokerUnreachable, match="no broker answers at http://broker"):
        a_client(broker).submit(JOB)


def test_a_wait_ends_with_the_job(capsys: pytest.CaptureFixture[str]) -> None:
    broker = Broker(
        httpx.Response(200, json=a_job(State.RUNNING)),
        httpx.Response(200, json=a_job(State.SUCCEEDED)),
    )

    view = a_client(broker).job("id").wait()

    assert view.succeeded
    polled = dict(broker.requests[1].url.params)
    assert (polled["wait_s"], polled["seen"]) == ("20.0", "0-0-0-0-1-0-0")
    assert "train id: SUCCEEDED" in capsys.readouterr().err


def test_a_wait_outlives_a_restart_of_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.flows.BACKOFF_S", ())
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    broker = Broker(
        httpx.Response(200, json=a_job(State.RUNNING)),
        httpx.ConnectError("refused"),
        httpx.Response(502, text="Bad Gateway"),
        httpx.Response(200, json=a_job(State.SUCCEEDED)),
    )

    assert a_client(broker).job("id").wait(progress=False).succeeded


def test_a_wait_can_have_an_end_of_its_own() -> None:
    broker = Broker(httpx.Response(200, json=a_job(State.RUNNING)))

    with pytest.raises(WaitTimeout, match="id goes on after 0 s: RUNNING"):
        a_client(broker).job("id").wait(0, progress=False)


@pytest.mark.parametrize("timeout_s", [-1, float("nan")])
def test_a_wait_of_less_than_no_time_is_refused(timeout_s: float) -> None:
    with pytest.raises(InvalidInput, match=r"timeout_s: got .*; allowed: 0 or more seconds"):
        a_client(Broker()).job("id").wait(timeout_s)


def test_a_wait_does_not_outlast_its_end_while_the_broker_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("headgate.flows.BACKOFF_S", ())
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    away = [httpx.ConnectError("refused") for _ in range(100_000)]
    broker = Broker(httpx.Response(200, json=a_job(State.RUNNING)), *away)

    with pytest.raises(BrokerUnreachable):
        a_client(broker).job("id").wait(0.05, progress=False)


def test_a_failed_job_is_an_answer_and_not_an_error() -> None:
    broker = Broker(httpx.Response(200, json=a_job(State.FAILED)))

    view = a_client(broker).job("id").wait(progress=False)

    assert view.finished
    assert not view.succeeded
    assert done(view) == 1


def test_a_sweep_is_done_when_its_last_task_is() -> None:
    half = a_job(State.PENDING, 4, counts={"SUCCEEDED": 2, "FAILED": 2})
    broker = Broker(httpx.Response(200, json=half))

    assert a_client(broker).sweep("id").wait(progress=False).finished


def test_an_answer_of_a_newer_broker_is_understood() -> None:
    broker = Broker(httpx.Response(200, json=a_job(colour="green")))

    assert a_client(broker).job("id").status() is State.RUNNING


def test_logs_are_read_to_their_end() -> None:
    broker = Broker(
        httpx.Response(200, json={"text": "one ", "next": "4"}),
        httpx.Response(200, json={"text": "two", "next": "7"}),
        httpx.Response(200, json={"text": "", "next": "7", "ended": True}),
    )

    assert a_client(broker).job("id").logs() == "one two"
    assert [r.url.params.get("after") for r in broker.requests] == [None, "4", "7"]


def test_a_slice_is_cancelled_by_its_ranges() -> None:
    broker = Broker(httpx.Response(200, json={"tasks": "0-99,200", "count": 101}))

    reached = a_client(broker).sweep("id").cancel([*range(100), 200])

    assert reached.count == 101
    assert broker.body()["tasks"] == "0-99,200"


def test_an_id_cannot_reach_another_path() -> None:
    broker = Broker(httpx.Response(200, json=a_job()))

    a_client(broker).job("../queue?x=").status()

    assert broker.requests[0].url.raw_path == b"/jobs/..%2Fqueue%3Fx%3D"


def test_the_async_client_drives_the_same_flows() -> None:
    broker = Broker(
        taken(),
        httpx.Response(200, json=a_job(State.RUNNING)),
        httpx.Response(200, json=a_job(State.SUCCEEDED)),
        taken(),
    )

    async def use() -> bytes:
        async with AsyncClient("http://broker", transport=httpx.MockTransport(broker)) as client:
            job = await client.submit(JOB)
            assert (await job.wait(progress=False)).succeeded
            await client.submit_sweep(JOB, table=({"i": i} for i in range(3)))
        return broker.requests[-1].content

    assert asyncio.run(use()).splitlines()[1:] == [b'{"i":0}', b'{"i":1}', b'{"i":2}']


def test_the_module_submits_through_the_default_client(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker(taken(), taken(), taken())
    monkeypatch.setattr(default, "client", lambda: a_client(broker))

    headgate.submit(JOB)
    headgate.submit(jobName="train", jobQueue="prod", jobDefinition="train:3")
    headgate.submit_sweep(JOB, size=3)

    assert [request.url.path for request in broker.requests] == ["/jobs", "/jobs", "/sweeps"]
