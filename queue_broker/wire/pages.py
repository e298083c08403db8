"""nextToken: where the next page goes on, as an opaque word."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from queue_broker.wire.faults import Fault

DEFAULT = 100


def to_token(place: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def from_token(token: str | None) -> Any:
    """The place that `to_token` was given; None for None."""
    if token is None:
        return None
    try:
        return json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error) as error:
        raise Fault(f"nextToken: got {token[:80]!r}; allowed: one that was answered") from error


def size(asked: int | None, most: int = DEFAULT) -> int:
    """How many a page has: `asked`, within 1 to `most`."""
    return most if asked is None else max(1, min(asked, most))
