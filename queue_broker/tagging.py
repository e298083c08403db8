"""Which tags AWS takes: the rule that all of its services share."""

from __future__ import annotations

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


def beside(own: Mapping[str, str], users: Mapping[str, str]) -> dict[str, str]:
    """`own` tags, and those of a user's that AWS takes, as far as there is room for them.

    AWS would refuse a whole request for one tag that it does not like.
    """
    room = MAX_TAGS - len(own)
    fine = {key: value for key, value in users.items() if key not in own and takes(key, value)}
    return {key: fine[key] for key in list(fine)[:room]} | dict(own)


def takes(key: str, value: str) -> bool:
    short = 0 < len(key) <= MAX_KEY and len(value) <= MAX_VALUE
    return short and legal(key) and legal(value) and not reserved(key)
