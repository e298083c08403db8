"""What the routes stand on, and who asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Annotated

from fastapi import Depends, Path, Request

from headgate.errors import NOT_KNOWN, Unauthorized
from queue_broker.core.insights import Insights
from queue_broker.core.limits import Limits
from queue_broker.core.steering import Steering
from queue_broker.core.submit import Caller, Submitter
from queue_broker.ports import Store
from queue_broker.records import JobId

PRINTABLE = r"^[!-~]+$"
ANYBODY = Caller()


def no_problems() -> list[str]:
    return []


@dataclass(frozen=True, slots=True)
class Services:
    """Made by the composition root. `problems` says what keeps the broker from being ready, and
    `troubles` what does not."""

    submitter: Submitter
    insights: Insights
    store: Store
    limits: Limits
    tokens: Mapping[str, str] = field(default_factory=dict)  #: token -> tenant; none: open
    problems: Callable[[], list[str]] = no_problems
    troubles: Callable[[], list[str]] = no_problems
    stopping: Callable[[], bool] = lambda: False  #: long polls end early then
    changed: Callable[[], None] = lambda: None  #: somebody's wish is in the store: run a cycle

    @property
    def steering(self) -> Steering:
        return Steering(self.limits, self.changed)

    def may_change(self, caller: Caller, job_id: JobId) -> None:
        """`Forbidden` when the job is another tenant's, `NotFound` when there is none."""
        self.submitter.allow(caller, self.store.job(job_id).tenant)


NONE_GIVEN = (
    "this broker wants a token, and the request carries none; "
    "give yours as `Authorization: Bearer TOKEN` (HEADGATE_TOKEN for the SDK and CLI)"
)


class Tokens:
    """Whose a token is. Kept as digests, so that a look-up's time tells nothing of a token."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._tenants = {digest(token): tenant for token, tenant in tokens.items()}

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """The caller that the `Authorization` header speaks for; `Unauthorized` for none."""
        if not self._tenants:
            return ANYBODY
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized(NONE_GIVEN)
        tenant = self._tenants.get(digest(token.strip()))
        if tenant is None:
            raise Unauthorized(NOT_KNOWN)
        return Caller(tenant)


def digest(token: str) -> bytes:
    return blake2b(token.encode(), digest_size=32).digest()


async def services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


async def caller(request: Request) -> Caller:
    tokens: Tokens = request.app.state.tokens
    return tokens.caller(request.headers)


#: An id in a path. Printable ASCII alone: no database is asked for what it could not hold.
PathId = Annotated[str, Path(max_length=128, pattern=PRINTABLE)]
Serving = Annotated[Services, Depends(services)]
Asking = Annotated[Caller, Depends(caller)]
