"""Who may look: the token as the API takes it, or a cookie made of it."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from fastapi import Request, Response

from headgate.errors import Unauthorized

COOKIE = "headgate_token"
COOKIE_S = 30 * 86_400


def check(request: Request, tokens: Sequence[str]) -> None:
    """`Unauthorized` unless a known token came as a header or as the cookie; none set: all may."""
    if tokens:
        check_token(given(request), tokens)


def check_token(token: str, known: Sequence[str]) -> None:
    """Compared in constant time, with every one of them."""
    hits = [hmac.compare_digest(token.encode(), one.encode()) for one in known]
    if not any(hits):
        raise Unauthorized(
            "the broker knows no such token; open /dashboard?token=TOKEN once in this browser"
        )


def given(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")


def keep(response: Response, token: str, *, path: str, secure: bool) -> None:
    """Only this browser's dashboard pages send it back, and no script can read it."""
    response.set_cookie(
        COOKIE, token, max_age=COOKIE_S, path=path, secure=secure, httponly=True, samesite="lax"
    )
