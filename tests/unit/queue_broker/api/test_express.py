from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import Response

from headgate.errors import HeadgateError, NotFound
from queue_broker.api.errors import handle_errors
from queue_broker.api.express import MOST_BYTES, Express
from queue_broker.asked import Asked
from tests.unit.queue_broker.api.serving import PATIENCE_S, Stage

HEAD = "POST /jobs HTTP/1.1\r\nHost: broker\r\n"


def an_app(failing: Exception | None = None) -> Express:
    """Its own route says "slow", and its express one "fast", a little later for the body "late"."""

    async def fast(asked: Asked) -> Response:
        if failing is not None:
            raise failing
        await asyncio.sleep(0.2 if asked.body == b"late" else 0)
        return Response(b"fast " + asked.body)

    app = Express()
    handle_errors(app)
    app.busiest["POST", "/jobs"] = fast

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def slow() -> str:
        return "slow"

    return app


@contextmanager
def playing(stage: tuple[Stage, str], failing: Exception | None = None) -> Iterator[httpx.Client]:
    with stage[0].playing(an_app(failing)), httpx.Client(base_url=stage[1]) as http:
        yield http


def connected(address: str) -> socket.socket:
    where = urlsplit(address)
    return socket.create_connection((where.hostname or "", where.port or 0), PATIENCE_S)


def say(address: str, *pieces: str) -> str:
    """What a server answers to text that is sent as it is, until it closes the connection."""
    with connected(address) as connection:
        for piece in pieces:
            connection.sendall(piece.encode())
        return b"".join(iter(lambda: connection.recv(1 << 16), b"")).decode()


def post(body: str, *headers: str) -> str:
    return "\r\n".join([f"{HEAD}Content-Length: {len(body)}", *headers, "", body])


def test_what_is_listed_does_not_pass_the_framework(stage: tuple[Stage, str]) -> None:
    with playing(stage) as http:
        answers = [http.post("/jobs", content=body) for body in (b"one", b"two")]

    assert [one.text for one in answers] == ["fast one", "fast two"]
    assert answers[0].headers.keys() >= {"date", "server", "content-length"}


@pytest.mark.parametrize(("method", "path"), [("GET", "/jobs"), ("POST", "/jobs/"), ("POST", "/")])
def test_all_else_goes_on_to_the_framework(
    stage: tuple[Stage, str], method: str, path: str
) -> None:
    with playing(stage) as http:
        assert http.request(method, path).json() == "slow"


@pytest.mark.parametrize(
    "request_",
    [
        post("body", "Expect: 100-continue", "Connection: close"),
        post("body", "Connection: close").replace("HTTP/1.1", "HTTP/1.0"),
        post("body", "Connection: close").replace("/jobs", "/jobs?dry=1"),
        post("x" * (MOST_BYTES + 1), "Connection: close"),
        f"{HEAD}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        f"{HEAD}Connection: close\r\n\r\n",
    ],
    ids=["expects to be asked on", "HTTP/1.0", "query", "long", "chunked", "no body"],
)
def test_what_is_unusual_goes_on_to_the_framework(stage: tuple[Stage, str], request_: str) -> None:
    with playing(stage):
        assert say(stage[1], request_).endswith('"slow"')


def test_a_body_may_come_in_pieces(stage: tuple[Stage, str]) -> None:
    whole = post("body", "Connection: close")
    with playing(stage):
        answer = say(stage[1], whole[:-3], whole[-3:-1], whole[-1:])

    assert answer.endswith("fast body")
    assert "connection: close" in answer


def test_requests_sent_without_waiting_are_answered_in_their_order(
    stage: tuple[Stage, str],
) -> None:
    with playing(stage):
        answer = say(stage[1], post("late") + post("2") + post("3", "Connection: close"))

    assert answer.index("fast late") < answer.index("slow")
    assert answer.count("HTTP/1.1 200 OK") == 3


def test_who_hangs_up_before_the_answer_disturbs_nobody(stage: tuple[Stage, str]) -> None:
    with playing(stage) as http:
        with connected(stage[1]) as connection:
            connection.sendall(post("late").encode())
        assert http.post("/jobs", content=b"late").text == "fast late"


def test_a_server_that_stops_answers_what_is_under_way() -> None:
    stage = Stage()
    address, answers = stage.open(), list[str]()
    with stage.playing(an_app()), closing(stage):
        asking = threading.Thread(target=lambda: answers.append(say(address, post("late"))))
        asking.start()
        while not stage.tasks:
            asking.join(0.001)
    asking.join()

    assert answers[0].endswith("fast late")
    assert "connection: close" in answers[0]


def test_an_error_is_answered_as_everywhere(stage: tuple[Stage, str]) -> None:
    with playing(stage, NotFound("there is no such job")) as http:
        answer = http.post("/jobs", content=b"body")

    assert (answer.status_code, answer.json()["message"]) == (404, "there is no such job")


def test_a_bug_is_logged_under_an_id_that_the_client_gets(
    stage: tuple[Stage, str], caplog: pytest.LogCaptureFixture
) -> None:
    with playing(stage, ZeroDivisionError()) as http:
        answer = http.post("/jobs", content=b"body")

    assert answer.status_code == HeadgateError.http_status
    assert caplog.records[-1].error_id in answer.json()["message"]  # type: ignore[attr-defined]
