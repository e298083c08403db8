"""nextToken: where the next page goes on, as an opaque word."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

from queue_broker.wire.faults import Fault, refused

T = TypeVar("T")

DEFAULT = 100


def to_token(place: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def from_token(token: str | None, kind: type[T]) -> T | None:
    """The place of this kind that `to_token` was given; `Fault` for another list's.

    None for none and for "", which AWS ParallelCluster's commands begin with. A pair is a name and
    a number.
    """
    if not token:
        return None
    place = decoded(token)
    if not is_place(place, kind):
        raise Fault(f"nextToken: got {token[:80]!r}; allowed: one that was answered to this call")
    found: T = place
    return found


def decoded(token: str) -> Any:
    """What `to_token` was given; None of what it never made."""
    with suppress(ValueError, binascii.Error, RecursionError):
        return json.loads(base64.urlsafe_b64decode(token.encode()))
    return None


def is_place(place: Any, kind: type) -> bool:
    if kind is list:
        pair = isinstance(place, list) and len(place) == 2
        return pair and is_place(place[0], str) and is_place(place[1], int)
    if kind is int:
        return type(place) is int and 0 <= place < 2**31
    if kind is str:  # a name or an id: a database takes neither NUL nor half of a surrogate pair
        return isinstance(place, str) and place.isascii() and place.isprintable()
    return type(place) is kind


def check_names(call: Mapping[str, Any], member: str) -> None:
    """AWS answers names or pages, and refuses both; `Fault`."""
    if call.get(member) and call.get("maxResults") is not None:
        raise refused(f"{member[0].upper()}{member[1:]} and MaxResults cannot both be set")


def size(asked: int | None, most: int = DEFAULT) -> int:
    """How many a page has: `asked`, within 1 to `most`."""
    return most if asked is None else max(1, min(asked, most))
