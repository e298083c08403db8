from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from queue_broker.asked import Asked
from queue_broker.wire import sigv4
from queue_broker.wire.faults import Fault
from tests.factories import START_S

SECRET = "a secret"


def asked(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Asked:
    return Asked(method, target.partition("?")[0], target, headers, body)


def signed(
    target: str = "/v1/submitjob", body: bytes = b"{}", method: str = "POST", at_s: float = START_S
) -> Asked:
    """A request as botocore signs it, at a time of ours."""
    headers = {"Content-Type": "application/json", "Host": "broker:8470"}
    request: Any = AWSRequest(method, f"http://broker:8470{target}", headers=headers, data=body)
    auth: Any = SigV4Auth(Credentials("key", SECRET), "batch", "us-east-1")
    request.context["timestamp"] = sigv4.show(at_s)
    auth._modify_request_before_signing(request)
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    auth._inject_signature_to_request(request, signature)
    lower = {name.lower(): value for name, value in request.headers.items()}
    return asked(method, target, lower, body)


def verify(
    request: Asked, secret: str | None = SECRET, now_s: float = START_S, service: str = "batch"
) -> None:
    sigv4.verify(request, sigv4.read(request.headers), secret, now_s, service)


def refusal(request: Asked, **more: Any) -> tuple[str, int, str]:
    with pytest.raises(Fault) as caught:
        verify(request, **more)
    return caught.value.code, caught.value.status, str(caught.value)


def changed(request: Asked, **headers: str) -> Asked:
    theirs = dict(request.headers) | headers
    return replace(request, headers=theirs)


@given(
    target=st.from_regex(
        r"/v1/tags/[A-Za-z0-9%/.~_-]{0,30}(\?tagKeys=[a-z%0-9]{0,5})?", fullmatch=True
    ),
    body=st.binary(max_size=64),
    method=st.sampled_from(["GET", "POST", "DELETE"]),
)
@settings(max_examples=50, deadline=None)
def test_whatever_botocore_signs_is_verified(target: str, body: bytes, method: str) -> None:
    verify(signed(target, body, method))


def test_a_wrong_secret_is_told_in_awss_words() -> None:
    code, status, words = refusal(signed(), secret="another")
    assert (code, status) == ("InvalidSignatureException", 403)
    assert words.startswith("The request signature we calculated does not match the signature you")


def test_what_was_signed_for_another_service_is_told_in_awss_words() -> None:
    code, status, words = refusal(signed(), service="logs")
    assert (code, status) == ("InvalidSignatureException", 403)
    assert words == "Credential should be scoped to correct service: 'logs'. "


def test_an_unknown_key_is_told_in_awss_words() -> None:
    code, status, words = refusal(signed(), secret=None)
    assert (code, status) == ("UnrecognizedClientException", 403)
    assert words == "The security token included in the request is invalid."


@pytest.mark.parametrize(
    "other",
    [
        asked("POST", "/v1/submitjob", signed().headers, b'{"other": 1}'),
        asked("POST", "/v1/terminatejob", signed().headers, b"{}"),
        asked("GET", "/v1/submitjob", signed().headers, b"{}"),
        asked("POST", "/v1/submitjob?a=b", signed().headers, b"{}"),
        changed(signed(), host="elsewhere"),
    ],
)
def test_whatever_is_changed_after_signing_is_noticed(other: Asked) -> None:
    assert refusal(other)[0] == "InvalidSignatureException"


def test_a_body_that_is_not_the_one_declared_is_noticed() -> None:
    assert refusal(changed(signed(), **{"x-amz-content-sha256": "0" * 64}))[1] == 403


@pytest.mark.parametrize(
    ("off_s", "words"), [(-1200, "Signature expired: "), (1200, "Signature not yet current: ")]
)
def test_a_clock_twenty_minutes_off_is_told_both_times(off_s: float, words: str) -> None:
    code, status, told = refusal(signed(at_s=START_S + off_s))
    assert (code, status) == ("InvalidSignatureException", 403)
    assert told.startswith(words)
    assert sigv4.show(START_S) in told


def test_a_clock_four_minutes_off_is_let_in() -> None:
    verify(signed(at_s=START_S - 240))
    verify(signed(at_s=START_S + 240))


def test_no_signature_at_all_is_told() -> None:
    with pytest.raises(Fault, match="Missing Authentication Token") as caught:
        sigv4.read({})
    assert (caught.value.code, caught.value.status) == ("MissingAuthenticationTokenException", 403)


@pytest.mark.parametrize(
    "header",
    [
        "Bearer token",
        "AWS4-HMAC-SHA256 Credential=key",
        "AWS4-HMAC-SHA256 Credential=key/20231114/us-east-1/batch, SignedHeaders=host, Signature=a",
        "AWS4-HMAC-SHA256 Credential=key/20231114/us-east-1/batch/aws4_request, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=k/20231114/r/batch/aws4_request, SignedHeaders=x, Signature=a",
    ],
)
def test_half_a_signature_is_told(header: str) -> None:
    with pytest.raises(Fault) as caught:
        sigv4.read({"authorization": header})
    assert caught.value.code == "IncompleteSignatureException"


@pytest.mark.parametrize("stamp", ["", "yesterday", "20231114", "2023-11-14T22:13:20Z"])
def test_a_date_that_is_none_is_told(stamp: str) -> None:
    assert refusal(changed(signed(), **{"x-amz-date": stamp}))[0] == "IncompleteSignatureException"


def test_a_scope_of_another_day_is_told() -> None:
    another = sigv4.show(START_S - 86_400)
    assert "Credential scope" in refusal(changed(signed(), **{"x-amz-date": another}))[2]
