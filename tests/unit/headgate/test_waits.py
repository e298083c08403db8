from __future__ import annotations

import httpx
import pytest

from headgate.errors import BrokerUnreachable, InvalidInput, WaitTimeout
from headgate.lifecycle import State
from headgate.progress import done
from tests.unit.headgate.scripted import Broker, a_client, a_job


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


def test_a_wait_says_what_holds_a_job_that_does_not_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    waits = a_job(State.RUNNABLE)
    held = [{"attempt": 1, "state": "RUNNABLE", "waiting": "0", "tasks_waiting": 1, "hold": "big"}]
    answers = (waits, waits, held, a_job(State.SUCCEEDED))
    broker = Broker(*(httpx.Response(200, json=one) for one in answers))

    view = a_client(broker).job("id").wait()

    polls = [request.url.params.get("wait_s") for request in broker.requests]
    assert polls == [None, "2.0", None, "20.0"]
    assert broker.requests[2].url.path == "/jobs/id/estimate"
    assert view.reason is None
    assert [line.partition("id: ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "RUNNABLE",
        "RUNNABLE: big",
        "SUCCEEDED",
    ]


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
