from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import Request, Response

from headgate.errors import HeadgateError, NotFound
from queue_broker.api.errors import handle_errors
from queue_broker.api.express import Express


def ask(failing: Exception | None, method: str = "POST", path: str = "/jobs") -> httpx.Response:
    """One request to an application whose own route says "slow", and whose express one "fast"."""

    async def fast(request: Request) -> Response:
        if failing is not None:
            raise failing
        return Response(f"fast {(await request.body()).decode()}")

    app = Express()
    handle_errors(app)
    app.busiest["POST", "/jobs"] = fast

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def slow() -> str:
        return "slow"

    async def client() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://broker") as http:
            return await http.request(method, path, content=b"body")

    return asyncio.run(client())


def test_what_is_listed_does_not_pass_the_framework() -> None:
    assert ask(None).text == "fast body"


@pytest.mark.parametrize(("method", "path"), [("GET", "/jobs"), ("POST", "/jobs/")])
def test_all_else_goes_on_to_the_framework(method: str, path: str) -> None:
    assert ask(None, method, path).json() == "slow"


def test_an_error_is_answered_as_everywhere() -> None:
    answer = ask(NotFound("there is no such job"))

    assert (answer.status_code, answer.json()["message"]) == (404, "there is no such job")


def test_a_bug_is_logged_under_an_id_that_the_client_gets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = ask(ZeroDivisionError())

    assert answer.status_code == HeadgateError.http_status
    assert caplog.records[-1].error_id in answer.json()["message"]  # type: ignore[attr-defined]
