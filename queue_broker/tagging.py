"""Which tags AWS takes: the rule that all of its services share."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from unicodedata import category

from headgate.job import MAX_TAGS

MAX_KEY, MAX_VALUE = 128, 256
#: Keys that begin like this are AWS's own.
RESERVED = "aws:"
PUNCTUATION = "_.:/=+-@"
COMMON = re.compile(r"[A-Za-z0-9 _.:/=+@-]*")


def legal(text: str) -> bool:
    """Letters, numbers and spaces of any script, and `_.:/=+-@`."""
    return COMMON.fullmatch(text) is not None or all(
        one in PUNCTUATION or category(one)[0] in "LNZ" for one in text
    )


def reserved(key: str) -> bool:
    return key.lower().startswith(RESERVED)


def beside(own: Mapping[str, str], users: Mapping[str, str], room: int) -> dict[str, str]:
    """`own` tags, and those of a user's that AWS takes, as far as there is room for them: in their
    number, and in `room` bytes of JSON, of which a letter that is not ASCII takes six or twelve.

    AWS would refuse a whole request for one tag that it does not like.
    """
    found = dict(own)
    room -= sum(written(key, value) for key, value in own.items())
    for key, value in users.items():
        fits = len(found) < MAX_TAGS and written(key, value) <= room
        if key not in own and fits and takes(key, value):
            found[key] = value
            room -= written(key, value)
    return found


def written(key: str, value: str) -> int:
    """How long a tag is in JSON."""
    return len(json.dumps({key: value}))


def takes(key: str, value: str) -> bool:
    short = 0 < len(key) <= MAX_KEY and len(value) <= MAX_VALUE
    return short and legal(key) and legal(value) and not reserved(key)
