"""Step Functions' spelling of Batch's members: `JobName` where the wire has `jobName`.

Only members of structures are spelt anew. The keys of maps (parameters, tags, ...) are the user's
own, and stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from queue_broker.wire.model import operations

if TYPE_CHECKING:
    from botocore.model import Shape

#: JSONPath's mark of a member whose value is looked up when the state runs.
DYNAMIC = ".$"


def submit_shape() -> Shape:
    """What SubmitJob takes."""
    (found,) = (one.takes for one in operations() if one.name == "SubmitJob" and one.takes)
    return found


def detail_shape() -> Shape:
    """A job as DescribeJobs tells it."""
    (found,) = (one.answers for one in operations() if one.name == "DescribeJobs")
    detail: Shape = found.members["jobs"].member  # type: ignore[union-attr]
    return detail


def to_wire(shape: Shape, value: Any, unknown: list[str] | None = None) -> Any:
    """The value in the wire's spelling, whatever case its members have.

    Members that the model does not know stay as they are, and are added to `unknown`.
    """
    unknown = [] if unknown is None else unknown
    if shape.type_name == "structure" and isinstance(value, Mapping):
        return dict(_members(shape, value, unknown))
    if shape.type_name == "list" and isinstance(value, list):
        return [to_wire(shape.member, one, unknown) for one in value]  # type: ignore[attr-defined]
    return value


def _members(
    shape: Shape, value: Mapping[str, Any], unknown: list[str]
) -> Iterator[tuple[str, Any]]:
    known = {name.lower(): name for name in shape.members}  # type: ignore[attr-defined]
    for key, one in value.items():
        plain = key.removesuffix(DYNAMIC)
        name = known.get(plain.lower())
        if name is None:
            unknown.append(plain)
            yield key, one
        elif plain != key:
            yield f"{name}{DYNAMIC}", one
        else:
            yield name, to_wire(shape.members[name], one, unknown)  # type: ignore[attr-defined]


def to_capitals(shape: Shape, value: Any) -> Any:
    """The wire's value in Step Functions' spelling."""
    if shape.type_name == "structure" and isinstance(value, Mapping):
        members: Mapping[str, Shape] = shape.members  # type: ignore[attr-defined]
        return {
            name[:1].upper() + name[1:]: to_capitals(members[name], one) if name in members else one
            for name, one in value.items()
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [to_capitals(shape.member, one) for one in value]  # type: ignore[attr-defined]
    return value
