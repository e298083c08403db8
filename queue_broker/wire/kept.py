"""Documents on the shelf as the operations read and make them."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.errors import Conflict
from queue_broker.ports import Shelf, Upstream
from queue_broker.records import Document
from queue_broker.wire import pages
from queue_broker.wire.faults import Fault
from queue_broker.wire.names import Place, name_of
from queue_broker.wire.service import Answer, Call

QUEUE = "job-queue"
ENVIRONMENT = "compute-environment"
POLICY = "scheduling-policy"

#: A place on the shelf: name and revision.
At = tuple[str, int]


def create(shelf: Shelf, document: Document) -> Document:
    try:
        return shelf.put(document)
    except Conflict:
        raise Fault("Object already exists") from None


def existing(shelf: Shelf, kind: str, given: str, place: Place) -> Document:
    name = name_of(given)
    found = shelf.get(kind, name)
    if found is None:
        raise Fault(f"{place.arn(kind, name)} does not exist")
    return found


def chosen(shelf: Shelf, kind: str, wanted: list[str]) -> list[Document]:
    return shelf.named(kind, wanted) if wanted else list(every(shelf, kind))


def every(shelf: Shelf, kind: str, after: At | None = None) -> Iterator[Document]:
    """All of a kind by name and then newest first, a page at a time."""
    while found := shelf.page(kind, after, pages.DEFAULT):
        yield from found
        after = (found[-1].name, found[-1].revision)


def page(name: str, found: list[Answer], call: Call, most: int = pages.DEFAULT) -> Answer:
    """A page of a list that is short enough to be read whole (a Region has at most 50 of each)."""
    start = pages.from_token(call.get("nextToken"), int) or 0
    most = pages.size(call.get("maxResults"), most)
    answer: Answer = {name: found[start : start + most]}
    if start + most < len(found):
        answer["nextToken"] = pages.to_token(start + most)
    return answer


def with_own(upstream: Upstream, call: Call, name: str, own: list[Answer]) -> Answer:
    """AWS's answer, and on its first page those of the broker's own that AWS has none like."""
    answer: Answer = upstream.call(call.operation, call.given)
    if call.given.get("nextToken"):
        return answer
    key = f"{name.removesuffix('s')}Name"
    theirs = {one[key] for one in answer[name]}
    return answer | {name: [*answer[name], *(one for one in own if one[key] not in theirs)]}
