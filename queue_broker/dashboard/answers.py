"""How the dashboard answers: pages and JSON, packed, never kept, and safe to show."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from markupsafe import Markup

from headgate.errors import HeadgateError
from queue_broker.dashboard import render

#: Nothing but what this broker serves; plotly.js sets styles from its script.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "frame-ancestors 'self'",
        "base-uri 'none'",
        "form-action 'self'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
PATH = "/dashboard"
#: Smaller bodies are not worth packing.
PACKED_FROM_BYTES = 1024

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """Shows errors as a page; what a script reads keeps the API's JSON."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def show_errors(request: Request) -> Response:
            try:
                return await handle(request)
            except HeadgateError as error:
                if "text/html" not in request.headers.get("accept", ""):
                    raise
                body = render.page("error", home(request), error=error, live_url="")
                return HTMLResponse(body, error.http_status, HEADERS)

        return show_errors


def home(request: Request) -> str:
    """The dashboard's path, whatever a proxy has put before it."""
    prefix: str = request.scope.get("root_path", "")
    return prefix.rstrip("/") + PATH


def safe(parts: dict[str, str]) -> dict[str, Markup]:
    """Rendered by templates that escape, so not to be escaped again."""
    return {name: Markup(part) for name, part in parts.items()}  # noqa: S704


def html(request: Request, body: str, status: int = 200) -> Response:
    return packed(request, body.encode(), "text/html; charset=utf-8", status)


def as_json(request: Request, value: object) -> Response:
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return packed(request, body.encode(), "application/json")


def packed(request: Request, body: bytes, media_type: str, status: int = 200) -> Response:
    """Points as text shrink to a quarter, which a laptop far from the broker will notice."""
    headers = HEADERS | {"vary": "accept-encoding, cookie"}
    if len(body) >= PACKED_FROM_BYTES and takes_gzip(request):
        headers["content-encoding"] = "gzip"
        body = gzip.compress(body, 4, mtime=0)
    return Response(body, status, headers=headers, media_type=media_type)


def takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")
