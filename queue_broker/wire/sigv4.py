"""Signature Version 4, verified.

Source: AWS's IAM user guide, "Create a signed AWS API request". The messages are the service's own.
Its own code because the libraries only sign; the tests hold it against what botocore signs.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote

from queue_broker.asked import Asked
from queue_broker.wire.faults import Fault

#: How far a client's clock may be off.
SKEW_S = 300
STAMP = "%Y%m%dT%H%M%SZ"
ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details."
)
ANOTHER_SERVICE = "Credential should be scoped to correct service:"
UNKNOWN_KEY = "The security token included in the request is invalid."


@dataclass(frozen=True, slots=True)
class Signed:
    """What an Authorization header says."""

    key_id: str
    date: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str


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
    whole = len(scope) == 5 and scope[-1] == TERMINATOR and fields.get("Signature")
    if algorithm != ALGORITHM or not whole or "host" not in names:
        words = f"{ALGORITHM} with Credential, SignedHeaders (host among them) and Signature"
        raise Fault(f"Authorization header requires {words}", "IncompleteSignatureException", 403)
    return Signed(scope[0], scope[1], scope[2], scope[3], names, fields["Signature"])


def verify(request: Asked, signed: Signed, secret: str | None, now_s: float, service: str) -> None:
    """`Fault` unless the holder of `secret` signed this request for this service within the last
    five minutes."""
    if secret is None:
        raise Fault(UNKNOWN_KEY, "UnrecognizedClientException", 403)
    if signed.service != service:
        raise Fault(f"{ANOTHER_SERVICE} '{service}'. ", "InvalidSignatureException", 403)
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
        at_s = seconds(stamp)
    except ValueError:
        words = f"Date must be in ISO-8601 'basic format'. Got '{stamp}'."
        raise Fault(words, "IncompleteSignatureException", 403) from None
    if stamp[:8] != signed.date:
        words = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: "
        raise Fault(f"{words}{signed.date} != {stamp[:8]}", "InvalidSignatureException", 403)
    edge = SKEW_S // 60
    if at_s < now_s - SKEW_S:
        words = f"Signature expired: {stamp} is now earlier than {show(now_s - SKEW_S)}"
        raise Fault(f"{words} ({show(now_s)} - {edge} min.)", "InvalidSignatureException", 403)
    if at_s > now_s + SKEW_S:
        words = f"Signature not yet current: {stamp} is still later than {show(now_s + SKEW_S)}"
        raise Fault(f"{words} ({show(now_s)} + {edge} min.)", "InvalidSignatureException", 403)


@lru_cache(maxsize=1024)
def seconds(stamp: str) -> float:
    """The time of a stamp: the same for all that is signed within one second."""
    return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).timestamp()


def show(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime(STAMP)


def signature(request: Asked, signed: Signed, secret: str, stamp: str) -> str:
    """The signature that `secret` would give this request, over the headers that were signed."""
    scope = f"{signed.date}/{signed.region}/{signed.service}/{TERMINATOR}"
    hashed = sha256(canonical(request, signed).encode()).hexdigest()
    key = signing_key(secret, signed.date, signed.region, signed.service)
    return mac(key, f"{ALGORITHM}\n{stamp}\n{scope}\n{hashed}").hex()


def canonical(request: Asked, signed: Signed) -> str:
    """The canonical request; the host and the others that were signed, with single spaces."""
    path, _, query = request.target.partition("?")
    headers = (
        f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in signed.headers
    )
    body = request.headers.get("x-amz-content-sha256") or sha256(request.body).hexdigest()
    parts = (request.method, canonical_path(path), canonical_query(query), *headers)
    return "\n".join((*parts, "", ";".join(signed.headers), body))


@lru_cache(maxsize=1024)
def canonical_path(path: str) -> str:
    """Encoded once more, as for every service but S3."""
    from botocore.utils import normalize_url_path

    return quote(normalize_url_path(path), safe="/~")


def canonical_query(query: str) -> str:
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&") if pair)
    return "&".join(f"{name}={value}" for name, value in pairs)


@lru_cache(maxsize=1024)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The same for all requests of a day; the secret is never sent."""
    key = mac(f"AWS4{secret}".encode(), date)
    for part in (region, service, TERMINATOR):
        key = mac(key, part)
    return key


def mac(key: bytes, words: str) -> bytes:
    return hmac.digest(key, words.encode(), "sha256")
