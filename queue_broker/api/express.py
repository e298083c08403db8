"""The few requests that come thousands of times a second, answered before the framework's stack.

FastAPI's layers take three times as long as reading and checking a job. What is not on the list
goes through them; so do these routes' descriptions, which are registered there as any other's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from headgate.errors import HeadgateError
from queue_broker.api.errors import answer, on_hang_up

Endpoint = Callable[[Request], Awaitable[Response]]
#: By method and whole path.
Routes = Mapping[tuple[str, str], Endpoint]


class Express:
    """An ASGI middleware; errors are answered as `handle_errors` answers them."""

    def __init__(self, app: ASGIApp, routes: Routes) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = None
        if scope["type"] == "http":
            endpoint = self._routes.get((scope["method"], scope["path"]))
        if endpoint is None:
            await self._app(scope, receive, send)
            return
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
