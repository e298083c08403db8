"""What a check of an AWS account found, and how checks ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from botocore import xform_name

from queue_broker.adapters.engines.aws.clients import client
from queue_broker.adapters.engines.aws.faults import calling
from queue_broker.ports import Clock
from queue_broker.settings import AwsSettings, Settings


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"  #: works, but worse than it could, or not for long
    FAILURE = "failure"  #: jobs do not run until it is mended


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing seen. `mend` says what to do; it is empty where all is well."""

    check: str
    level: Level
    says: str
    mend: str = ""


Found = Iterator[Finding]


def namer(check: str) -> tuple[Callable[..., Finding], ...]:
    """Makers of a check's findings: all is well, a warning, a failure."""
    levels = (Level.OK, Level.WARNING, Level.FAILURE)
    return tuple(partial(Finding, check, level) for level in levels)


@dataclass(slots=True)
class Account:
    """A live account with the credentials that the broker would use. `session` is boto3's."""

    settings: Settings
    session: Any
    clock: Clock = time.time
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def aws(self) -> AwsSettings:
        return self.settings.aws

    def client(self, service: str) -> Any:
        """boto3's, made once; it tries twice, so that a doctor without a network is not slow."""
        if service not in self._clients:
            self._clients[service] = client(self.session, service, self.aws, attempts=2)
        return self._clients[service]

    def ask(self, service: str, operation: str, action: str = "", **arguments: Any) -> Any:
        """The answer to a call; `Unavailable` names the `action` as IAM does, and what mends it."""
        with calling(action or f"{service}:{operation}"):
            return getattr(self.client(service), xform_name(operation))(**arguments)
