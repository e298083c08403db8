"""Signature Version 4, verified with the very code that clients sign with (botocore's).

Source: AWS General Reference, "Signing AWS API requests". The messages are the service's own.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from queue_broker.wire.faults import Fault

#: How far a client's clock may be off.
SKEW_S = 300
STAMP = "%Y%m%dT%H%M%SZ"
ALGORITHM = "AWS4-HMAC-SHA256"
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details."
)
UNKNOWN_KEY = "The security token included in the request is invalid."
#: (secret, whatever stands behind it) of an access key id; None when there is none.
SecretOf = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Signed:
    """What an Authorization header says."""

    key_id: str
    date: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request as it came. `target` is the path and query, undecoded; header names lower."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


def read(headers: Mapping[str, str]) -> Signed:
    """The signature's parts; `Fault` when there is none, or it is not whole."""
    given = headers.get("authorization")
    if not given:
        raise Fault("Missing Authentication Token", "MissingAuthenticationTokenException", 403)
    algorithm, _, rest = given.partition(" ")
    fields = {
        name: value
        for name, equals, value in (one.strip().partition("=") for one in rest.split(","))
        if equals
    }
    scope = fields.get("Credential", "").split("/")
    names = tuple(fields.get("SignedHeaders", "").split(";"))
    whole = len(scope) == 5 and scope[-1] == "aws4_request" and fields.get("Signature")
    if algorithm != ALGORITHM or not whole or "host" not in names:
        words = f"{ALGORITHM} with Credential, SignedHeaders (host among them) and Signature"
        raise Fault(f"Authorization header requires {words}", "IncompleteSignatureException", 403)
    return Signed(scope[0], scope[1], scope[2], scope[3], names, fields["Signature"])


def verify(request: Request, signed: Signed, secret: str | None, now_s: float) -> None:
    """`Fault` unless the holder of `secret` signed this request within the last five minutes."""
    if secret is None:
        raise Fault(UNKNOWN_KEY, "UnrecognizedClientException", 403)
    stamp = request.headers.get("x-amz-date", "")
    check_time(stamp, signed, now_s)
    body = request.headers.get("x-amz-content-sha256")
    if body is not None and body != sha256(request.body).hexdigest():
        raise Fault(MISMATCH, "InvalidSignatureException", 403)
    ours = signature(request, signed, secret, stamp)
    if not hmac.compare_digest(ours, signed.signature):
        raise Fault(MISMATCH, "InvalidSignatureException", 403)


def check_time(stamp: str, signed: Signed, now_s: float) -> None:
    try:
        at_s = datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        words = f"Date must be in ISO-8601 'basic format'. Got '{stamp}'."
        raise Fault(words, "IncompleteSignatureException", 403) from None
    if stamp[:8] != signed.date:
        words = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: "
        raise Fault(f"{words}{signed.date} != {stamp[:8]}", "InvalidSignatureException", 403)
    now, edge = show(now_s), SKEW_S // 60
    if at_s < now_s - SKEW_S:
        words = f"Signature expired: {stamp} is now earlier than {show(now_s - SKEW_S)}"
        raise Fault(f"{words} ({now} - {edge} min.)", "InvalidSignatureException", 403)
    if at_s > now_s + SKEW_S:
        words = f"Signature not yet current: {stamp} is still later than {show(now_s + SKEW_S)}"
        raise Fault(f"{words} ({now} + {edge} min.)", "InvalidSignatureException", 403)


def show(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime(STAMP)


def signature(request: Request, signed: Signed, secret: str, stamp: str) -> str:
    """The signature that `secret` would give this request, over the headers that were signed."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    headers = {name: request.headers[name] for name in signed.headers if name in request.headers}
    url = f"http://{request.headers.get('host', '')}{request.target}"
    theirs: Any = AWSRequest(method=request.method, url=url, headers=headers, data=request.body)
    theirs.context["timestamp"] = stamp
    auth: Any = SigV4Auth(Credentials(signed.key_id, secret), signed.service, signed.region)
    canonical = auth.canonical_request(theirs)
    found: str = auth.signature(auth.string_to_sign(theirs, canonical), theirs)
    return found
