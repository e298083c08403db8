"""What all of AWS's JSON protocols share: how a request is read, and how an answer is framed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from hashlib import blake2b
from typing import Any
from uuid import uuid4

from fastapi import Request, Response
from pydantic_core import from_json, to_json

from headgate.errors import HeadgateError
from queue_broker.asked import Asked, texts
from queue_broker.settings import Settings
from queue_broker.wire.faults import Fault, to_fault
from queue_broker.wire.limits import MAX_BODY_BYTES
from queue_broker.wire.names import Place
from queue_broker.wire.service import Answer, Written

log = logging.getLogger(__name__)


async def framed(path: str, work: Awaitable[Answer | Written]) -> Response:
    """The answer of `work`, or its error, as AWS's SDKs read them."""
    request_id = str(uuid4())
    try:
        return respond(await work, 200, {"x-amzn-requestid": request_id})
    except Fault as error:
        fault = error
    except HeadgateError as error:
        fault = to_fault(error)
    except Exception:
        where = {"action": "wire_failed", "path": path, "request_id": request_id}
        log.exception("a request of AWS's protocol failed", extra=where)
        fault = Fault("Internal failure", "ServerException", 500)
    headers = {"x-amzn-requestid": request_id, "x-amzn-errortype": fault.code}
    body = {"__type": fault.code, "message": fault.words(request_id)}
    return respond(body, fault.status, headers)


def respond(body: Answer | Written, status: int, headers: Mapping[str, str]) -> Response:
    content = body.json if isinstance(body, Written) else to_json(body)
    return Response(content, status, headers, media_type="application/json")


async def read(request: Request) -> Asked:
    """The request as its signer saw it; `Fault` as soon as it is longer than any may be."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise Fault(f"body: got more; allowed: at most {MAX_BODY_BYTES:,} bytes", status=413)
    target = request.scope["raw_path"].decode("ascii", "replace")
    if query := request.scope["query_string"].decode("ascii", "replace"):
        target += f"?{query}"
    headers = texts(request.scope["headers"])
    return Asked(request.method, request.scope["path"], target, headers, bytes(body))


def place_of(headers: Mapping[str, str], settings: Settings) -> Place:
    """The Region is the one that the client signed for."""
    _, _, credential = headers.get("authorization", "").partition("Credential=")
    scope = credential.partition(",")[0].split("/")
    region = scope[2] if len(scope) == 5 and scope[2] else settings.aws_region
    return Place(region, settings.aws_account)


def parsed(body: bytes) -> Mapping[str, Any]:
    if not body:
        return {}
    try:
        given = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        words = f"body: got no JSON ({error}); allowed: a JSON object"
        raise Fault(words, "SerializationException") from error
    if not isinstance(given, dict):
        raise Fault("body: got no object; allowed: a JSON object", "SerializationException")
    return given


def token(headers: Mapping[str, str]) -> str | None:
    """The same for every try of one call: AWS's SDKs number their calls, other clients sign them.

    So an SDK that lost an answer and tries again gets the job that it had submitted already.
    """
    call = headers.get("amz-sdk-invocation-id") or headers.get("authorization")
    return f"wire-{blake2b(call.encode(), digest_size=16).hexdigest()}" if call else None
