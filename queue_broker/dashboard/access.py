"""Who may look, and who asks: the token as the API takes it, or a cookie made of it."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from fastapi import Request, Response

from headgate.errors import NOT_KNOWN, Forbidden, Unauthorized
from queue_broker.core.submit import Caller

COOKIE = "headgate_token"
COOKIE_S = 30 * 86_400
NONE_GIVEN = (
    "give the token that you submit with (HEADGATE_TOKEN), here or once as /dashboard?token=TOKEN"
)


def check(request: Request, tokens: Mapping[str, str]) -> Caller:
    """Who asks, by the token in a header or the cookie; with no tokens set, anybody.

    `Unauthorized` unless the token is known.
    """
    return Caller(tenant_of(given(request), tokens)) if tokens else Caller()


def tenant_of(token: str, known: Mapping[str, str]) -> str:
    """Compared in constant time, with every one of them."""
    sent = token.encode()
    hits = [of for one, of in known.items() if hmac.compare_digest(sent, one.encode())]
    if not hits:
        raise Unauthorized(NOT_KNOWN if token else NONE_GIVEN)
    return hits[0]


def check_own_page(request: Request) -> None:
    """`Forbidden` for a form that another site had this browser send.

    A token's cookie would not come with it; but a broker without tokens listens to this machine's
    browsers too. Browsers that do not say where a form is from are older than any in use.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("the form did not come from this dashboard")


def given(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")


def keep(response: Response, token: str, *, path: str, secure: bool) -> None:
    """Only this browser's dashboard pages send it back, and no script can read it."""
    response.set_cookie(
        COOKIE, token, max_age=COOKIE_S, path=path, secure=secure, httponly=True, samesite="lax"
    )
