"""Errors as AWS Batch gives them: a code, an HTTP status, and the service's own words.

The words are those seen from the real service where anybody has published them; elsewhere they
name the field, what was got and what is allowed (docs/reference/wire.md says which is which).
"""

from __future__ import annotations

from dataclasses import replace

from headgate.errors import (
    Forbidden,
    HeadgateError,
    InvalidInput,
    Throttled,
    Unauthorized,
    UpstreamRefused,
)

#: Of a value that is refused, so many characters are shown.
MOST_SHOWN = 80


class Fault(Exception):
    """What a client's SDK raises. `wrapped`: in the frame Batch puts around what it checks late."""

    def __init__(
        self, message: str, code: str = "ClientException", status: int = 400, wrapped: bool = False
    ) -> None:
        super().__init__(message)
        self.code, self.status, self.wrapped = code, status, wrapped

    def words(self, request_id: str) -> str:
        if not self.wrapped:
            return str(self)
        return f"Error executing request, Exception : {self}, RequestId: {request_id}"


def refused(message: str) -> Fault:
    """Batch looked at the request and does not like it."""
    return Fault(message, wrapped=True)


def constraint(path: str, value: object, rule: str) -> Fault:
    """A member breaks a rule of the service's model."""
    got = str(value)
    got = got if len(got) <= MOST_SHOWN else f"{got[: MOST_SHOWN - 1]}…"
    detected = f"1 validation error detected: Value '{got}' at '{path}'"
    return Fault(f"{detected} failed to satisfy constraint: {rule}")


#: Members of `Job` in the words of SubmitJob.
MEMBERS = {
    "definition": "jobDefinition",
    "depends_on": "dependsOn",
    "evaluate_on_exit": "evaluateOnExit",
    "gpus": "GPU",
    "job_id": "jobId",
    "memory_mib": "MEMORY",
    "name": "jobName",
    "priority": "schedulingPriorityOverride",
    "queue": "jobQueue",
    "resources": "resourceRequirements",
    "retry_strategy": "retryStrategy",
    "tenant": "shareIdentifier",
    "timeout_s": "timeout",
    "vcpu": "VCPU",
}


def member(field: str) -> str:
    """`depends_on.0.job_id` as `dependsOn.1.jobId`: AWS counts from one."""
    parts = (str(int(one) + 1) if one.isdecimal() else one for one in field.split("."))
    return ".".join(MEMBERS.get(one, one) for one in parts)


#: The broker's own errors as AWS's codes; the rest is a ClientException or a ServerException.
CODES: dict[type[HeadgateError], tuple[str, int]] = {
    Throttled: ("TooManyRequestsException", 429),
    Forbidden: ("AccessDeniedException", 403),
    Unauthorized: ("UnrecognizedClientException", 403),
}


def to_fault(error: HeadgateError) -> Fault:
    """One of the broker's own errors, as Batch would put it."""
    words = "; ".join(str(error).splitlines())
    if isinstance(error, InvalidInput) and error.problems:
        words = "; ".join(str(replace(one, field=member(one.field))) for one in error.problems)
    if isinstance(error, UpstreamRefused):
        return Fault(words, error.aws_code, error.status)
    if known := CODES.get(type(error)):
        return Fault(words, *known)
    return refused(words) if error.http_status < 500 else Fault(words, "ServerException", 500)
