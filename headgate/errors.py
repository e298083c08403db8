"""Every error that Headgate raises on purpose, drawn:

    HeadgateError
    ├── InvalidInput          a field is wrong: which, what was got, what is allowed  HTTP 422
    │   └── PayloadTooLarge   the body is beyond the limit  HTTP 413
    ├── Unauthorized          no token, or one the broker does not know  HTTP 401
    ├── Forbidden             the token's tenant may not do this  HTTP 403
    ├── NotFound              no such job, task, sweep or model  HTTP 404
    ├── Conflict              the state moved on, or a client token was used for another  HTTP 409
    ├── Throttled             too many requests; try again after `retry_after_s`  HTTP 429
    ├── Unavailable           the store or an engine is away; nothing was half written  HTTP 503
    ├── UpstreamRefused       AWS refused a call, or could not be reached  HTTP 502
    ├── BrokerUnreachable     the SDK could not reach the broker at all
    ├── WaitTimeout           the SDK stopped waiting; the job goes on
    └── BadArtifact           a model artefact is corrupt, or newer than this program

The SDK raises the same types, with the same words, as the broker answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: the field's path, what was got, and what is allowed."""

    field: str
    got: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.field}: got {self.got}; allowed: {self.allowed}"


class HeadgateError(Exception):
    """Something Headgate could not do."""

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 500

    def __init__(self, message: str | None = None, *, retry_after_s: float | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())
        self.retry_after_s = retry_after_s

    def as_dict(self) -> dict[str, Any]:
        """The body of an HTTP error answer."""
        body: dict[str, Any] = {"error": self.code, "message": str(self)}
        if self.retry_after_s is not None:
            body["retry_after_s"] = self.retry_after_s
        return body


class InvalidInput(HeadgateError):
    """The input is not valid."""

    code = "invalid_input"
    http_status = 422

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        self.problems = () if isinstance(problems, str) else tuple(problems)
        words = problems if isinstance(problems, str) else "\n".join(map(str, problems))
        super().__init__(words)

    @classmethod
    def of(cls, field: str, got: object, allowed: str) -> InvalidInput:
        return cls([Problem(field, show(got), allowed)])

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"problems": [asdict(problem) for problem in self.problems]}


class PayloadTooLarge(InvalidInput):
    """The payload is larger than the broker takes."""

    code = "payload_too_large"
    http_status = 413


#: What the broker says of a token that it was sent.
NOT_KNOWN = (
    "the broker does not know this token (HEADGATE_TOKEN for the SDK and CLI); it may have been "
    "replaced: ask who runs the broker for the one of your tenant"
)


class Unauthorized(HeadgateError):
    """The request carries no token that the broker knows."""

    code = "unauthorized"
    http_status = 401


class Forbidden(HeadgateError):
    """The token's tenant may not do this."""

    code = "forbidden"
    http_status = 403


class NotFound(HeadgateError):
    """There is no such thing."""

    code = "not_found"
    http_status = 404


class Conflict(HeadgateError):
    """The state moved on, or the client token was used for another submission."""

    code = "conflict"
    http_status = 409


class Throttled(HeadgateError):
    """Too many requests."""

    code = "throttled"
    http_status = 429


class Unavailable(HeadgateError):
    """The broker cannot do this just now; nothing was half written."""

    code = "unavailable"
    http_status = 503


class UpstreamRefused(HeadgateError):
    """AWS refused a call, or could not be reached: its own code, HTTP status and words."""

    code = "upstream_refused"
    http_status = 502

    def __init__(
        self, message: str | None = None, *, aws_code: str = "ServerException", status: int = 500
    ) -> None:
        super().__init__(message)
        self.aws_code, self.status = aws_code, status


class BrokerUnreachable(HeadgateError):
    """The broker could not be reached."""

    code = "broker_unreachable"


class WaitTimeout(HeadgateError):
    """The wait ended before the job did; the job goes on."""

    code = "wait_timeout"


class BadArtifact(HeadgateError):
    """The model artefact is corrupt, or newer than this program."""

    code = "bad_artifact"


BY_CODE: dict[str, type[HeadgateError]] = {
    kind.code: kind
    for kind in (
        HeadgateError,
        InvalidInput,
        PayloadTooLarge,
        Unauthorized,
        Forbidden,
        NotFound,
        Conflict,
        Throttled,
        Unavailable,
        UpstreamRefused,
        BrokerUnreachable,
        WaitTimeout,
        BadArtifact,
    )
}


def from_dict(body: dict[str, Any]) -> HeadgateError:
    """The error that an HTTP error body stands for; the inverse of `as_dict`."""
    kind = BY_CODE.get(str(body.get("error")), HeadgateError)
    if issubclass(kind, InvalidInput):
        problems = [Problem(**problem) for problem in body.get("problems", ())]
        return kind(problems or str(body.get("message", "")))
    if issubclass(kind, UpstreamRefused):
        return kind(body.get("message"))
    return kind(body.get("message"), retry_after_s=body.get("retry_after_s"))


def show(value: object, limit: int = 80) -> str:
    """A value as an error message shows it: its repr, cut to `limit` characters."""
    try:
        words = repr(value)
    except ValueError as error:  # a number of more digits than Python writes
        words = f"{type(value).__name__} ({error})"
    return words if len(words) <= limit else f"{words[: limit - 1]}…"
