"""What a user submits: one job, or a sweep of many tasks made from one template."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from headgate.resources import ResourceRequest
from headgate.validation import NAME, TENANT_NAME, refuse
from headgate.value import Many, Value

#: AWS Batch's limits (quotas of the service), kept so that whatever is accepted here can be handed
#: on.
MAX_PAYLOAD_BYTES = 30 * 1024
MAX_DEPENDENCIES = 20
MAX_ATTEMPTS = 10
MAX_EXIT_RULES = 5
MIN_TIMEOUT_S = 60
#: Batch keeps it in 32 bits, and so does the history.
MAX_TIMEOUT_S = 2**31 - 1
MAX_TAGS = 50
#: The most tasks that one sweep may have.
MAX_SWEEP_SIZE = 100_000_000

PLACEHOLDER = re.compile(r"Ref::([A-Za-z_][A-Za-z0-9_.-]*)")

Name = Annotated[str, StringConstraints(pattern=NAME)]
TenantName = Annotated[str, StringConstraints(pattern=TENANT_NAME)]
Scalar = bool | int | float | str | None


class Input(Value):
    """Data that the job reads. A known size is the best single predictor of memory and time."""

    uri: str = Field(min_length=1, max_length=2048)
    size_bytes: int | None = Field(default=None, ge=0, le=2**60)


class Dependency(Value):
    """A job that must succeed first; for arrays also task by task, as in AWS Batch."""

    job_id: str = Field(min_length=1, max_length=128)
    type: Literal["N_TO_N", "SEQUENTIAL"] | None = None


class EvaluateOnExit(Value):
    """One rule of a retry strategy, matched in order; patterns may end in `*`."""

    action: Literal["RETRY", "EXIT"]
    on_exit_code: str | None = Field(default=None, max_length=512)
    on_reason: str | None = Field(default=None, max_length=512)
    on_status_reason: str | None = Field(default=None, max_length=512)


class RetryStrategy(Value):
    """How often to try. A kill for memory is retried bigger; an interruption costs no attempt."""

    attempts: int = Field(default=1, ge=1, le=MAX_ATTEMPTS)
    evaluate_on_exit: Many[EvaluateOnExit] = Field(default=(), max_length=MAX_EXIT_RULES)


class Job(Value):
    """One job. Everything but `name` and what to run may be left out.

    `resources` is optional: that is the point of Headgate. `command` tokens may hold `Ref::name`,
    which is replaced by the parameter of that name, as in AWS Batch. `definition` names a job
    definition that the broker (or AWS Batch behind it) knows; then `command` and `image` may come
    from there.
    """

    name: Name
    command: Many[str] = ()
    definition: str | None = Field(default=None, min_length=1, max_length=256)
    image: str | None = Field(default=None, min_length=1, max_length=512)
    environment: dict[str, str] = Field(default_factory=dict)
    queue: Name = "default"
    tier: str | None = Field(default=None, max_length=64, description="None: as the queue says")
    tenant: TenantName | None = Field(
        default=None, description="None: as the token says, else 'default'"
    )
    priority: int = Field(
        default=0, ge=0, le=9999, description="order within the tenant; higher goes first"
    )
    inputs: Many[Input] = Field(default=(), max_length=1000)
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    resources: ResourceRequest = ResourceRequest()
    depends_on: Many[Dependency] = Field(default=(), max_length=MAX_DEPENDENCIES)
    retry_strategy: RetryStrategy = RetryStrategy()
    timeout_s: int | None = Field(
        default=None, ge=MIN_TIMEOUT_S, le=MAX_TIMEOUT_S, description="per attempt"
    )
    tags: dict[str, str] = Field(default_factory=dict, max_length=MAX_TAGS)
    client_token: str | None = Field(default=None, min_length=1, max_length=128)
    batch: dict[str, Any] = Field(
        default_factory=dict, description="what only AWS Batch understands, handed on as it is"
    )

    @model_validator(mode="after")
    def _says_what_to_run(self) -> Self:
        if not self.definition and not any(token.strip() for token in self.command):
            refuse("command", list(self.command), "at least one token, or a job definition")
        return self

    def placeholders(self) -> set[str]:
        """The names that `Ref::name` stands for in the command."""
        return {name for token in self.command for name in PLACEHOLDER.findall(token)}

    def input_bytes(self) -> int | None:
        """The sum of the declared input sizes, or None where no size is known."""
        known = [item.size_bytes for item in self.inputs if item.size_bytes is not None]
        return sum(known) if known else None


def fill(command: Sequence[str], parameters: Mapping[str, object]) -> tuple[str, ...]:
    """The command with each `Ref::name` replaced; unknown names stay (SubmitJob refuses them)."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        return show_scalar(parameters[name]) if name in parameters else match.group(0)

    return tuple(PLACEHOLDER.sub(value, token) for token in command)


def show_scalar(value: object) -> str:
    """A parameter as the command sees it: JSON's words for true, false and null."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
