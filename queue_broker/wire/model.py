"""AWS Batch's own service model, as botocore ships it: operations, their routes, their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from headgate.errors import HeadgateError

if TYPE_CHECKING:
    from botocore.model import ServiceModel, Shape

API_VERSION = "2016-08-10"
#: What changes nothing may be asked twice without harm.
READS = ("Describe", "List", "Get")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its name, HTTP method and path, and what it takes and answers."""

    name: str
    method: str
    path: str
    takes: Shape | None
    answers: Shape | None
    beside_body: Mapping[str, Shape]  #: members that come in the path or the query

    @property
    def reads(self) -> bool:
        return self.name.startswith(READS)


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation of the model, by name."""
    model = load("batch", API_VERSION)
    return tuple(one(model, name) for name in sorted(model.operation_names))


def one(model: ServiceModel, name: str) -> Operation:
    found = model.operation_model(name)
    http: dict[str, Any] = found.http
    takes = found.input_shape
    beside = {
        name: member
        for name, member in (takes.members if takes else {}).items()
        if "location" in member.serialization
    }
    return Operation(name, http["method"], http["requestUri"], takes, found.output_shape, beside)


@cache
def load(service: str, version: str | None = None) -> ServiceModel:
    """Read once: that of Logs takes 40 ms, and each request for a log looks into it."""
    try:
        from botocore.loaders import Loader
        from botocore.model import ServiceModel
    except ImportError as error:
        words = "AWS's wire protocol needs its service model: pip install 'headgate[aws]'"
        raise HeadgateError(words) from error
    # Not botocore's session: that also looks for the user's own models and settings.
    description = Loader().load_service_model(service, "service-2", version)
    return ServiceModel(description, service_name=service)
