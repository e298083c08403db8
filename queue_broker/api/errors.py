"""Errors as answers, in one place: a status, a body from `as_dict`, and when to come back."""

from __future__ import annotations

import logging
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from headgate.errors import HeadgateError, InvalidInput, Problem, Unavailable
from headgate.validation import to_problem

log = logging.getLogger(__name__)

#: Sent with a 503 whose cause does not know better.
RETRY_AFTER_S = 1.0


def answer(error: HeadgateError) -> JSONResponse:
    """What the client gets for an error that was raised on purpose."""
    headers = {}
    wait_s = error.retry_after_s
    if wait_s is None and isinstance(error, Unavailable):
        wait_s = RETRY_AFTER_S
    if wait_s is not None:
        headers["retry-after"] = f"{wait_s:g}"
    if error.http_status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(error.as_dict(), error.http_status, headers)


async def on_headgate_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HeadgateError)  # noqa: S101 - as registered
    return answer(error)


async def on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's own findings, on paths and queries, in Headgate's words."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as registered
    return answer(InvalidInput([_problem(details) for details in error.errors()]))


def _problem(details: dict[str, object]) -> Problem:
    location = details["loc"]
    assert isinstance(location, tuple)  # noqa: S101 - FastAPI says where: ("query", "limit")
    return to_problem(details | {"loc": location[1:]})


async def on_http_error(request: Request, error: Exception) -> JSONResponse:
    """No such route, or not with this method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - as registered
    body = {"error": "http", "message": f"{request.method} {request.url.path}: {error.detail}"}
    return JSONResponse(body, error.status_code, dict(error.headers or {}))


async def on_hang_up(request: Request, error: Exception) -> JSONResponse:
    """The client went away in the middle of its body. Nobody reads this answer."""
    return answer(InvalidInput.of("body", "a body that ends too early", "all of it"))


async def on_bug(request: Request, error: Exception) -> JSONResponse:
    return bug(request.method, request.url.path, error)


def bug(method: str, path: str, error: Exception) -> JSONResponse:
    """What nobody foresaw: the log has it all under an id, and the client gets the id."""
    error_id = uuid4().hex[:12]
    log.error(
        "error %s in %s %s",
        error_id,
        method,
        path,
        exc_info=error,
        extra={"action": "request_failed", "error_id": error_id},
    )
    return answer(HeadgateError(f"the broker failed; its log has this as error {error_id}"))


def handle_errors(app: FastAPI) -> None:
    app.add_exception_handler(HeadgateError, on_headgate_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(ClientDisconnect, on_hang_up)
    app.add_exception_handler(Exception, on_bug)
