"""The few requests that come thousands of times a second, answered before the framework's stack.

FastAPI's layers take three times as long as reading and checking a job. What is not on the list
goes through them; so do these routes' descriptions, which are registered there as any other's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from headgate.errors import HeadgateError
from queue_broker.api.errors import answer, on_bug, on_hang_up

Endpoint = Callable[[Request], Awaitable[Response]]


class Express(FastAPI):
    """An application with a short way to its busiest endpoints, by method and whole path. Errors
    are answered there as `handle_errors` answers them elsewhere.
    """

    def __init__(self, **about: Any) -> None:
        super().__init__(**about)
        self.busiest: dict[tuple[str, str], Endpoint] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = None
        if scope["type"] == "http":
            endpoint = self.busiest.get((scope["method"], scope["path"]))
        if endpoint is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        request = Request(scope, receive)
        response = await answered(endpoint, request)
        await response(scope, receive, send)


async def answered(endpoint: Endpoint, request: Request) -> Response:
    try:
        return await endpoint(request)
    except HeadgateError as error:
        return answer(error)
    except ClientDisconnect as error:
        return await on_hang_up(request, error)
    except Exception as error:
        return await on_bug(request, error)
