from __future__ import annotations

import asyncio
import itertools
from typing import Any

import httpx
import pytest

import headgate
from headgate import AsyncClient, Client, default
from headgate.client import connection
from headgate.errors import BrokerUnreachable, HeadgateError, InvalidInput
from headgate.handles import SweepHandle
from headgate.lifecycle import State
from tests.unit.headgate.scripted import JOB, Broker, a_client, a_job, taken


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


@pytest.mark.parametrize("job_id", ["", None, 5])
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


@pytest.mark.parametrize(("url", "read"), [("http://broker:1", False), ("https://broker", True)])
def test_certificates_are_read_where_there_is_tls(url: str, *, read: bool) -> None:
    assert connection(url, None)["verify"] is read


def test_the_token_goes_with_every_request() -> None:
    broker = Broker(taken())

    a_client(broker, token="secret").submit(JOB)

    assert broker.requests[0].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize("token", [" secret\n", "secret\r\n"])
def test_a_token_read_from_a_file_may_end_in_a_line_break(token: str) -> None:
    broker = Broker(taken())
    a_client(broker, token=token).submit(JOB)
    assert broker.requests[0].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize("token", ["wörd", "one\ntwo"])
def test_a_token_that_no_header_carries_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(InvalidInput, match=r"HEADGATE_TOKEN: got '[0-9]+ characters'") as caught:
        Client("http://broker", token)
    assert token not in str(caught.value)


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
