"""Names for new jobs."""

from __future__ import annotations

import os
from collections import deque

from queue_broker.records import JobId

#: The bits of a UUID that say its version (7) and its variant.
OF_VERSION, VERSION_7 = 0xF << 76 | 0x3 << 62, 0x7 << 76 | 0x2 << 62


class Entropy:
    """The system's random bytes, asked for in bulk: each call of it lets go of the interpreter,
    which a thread that commits may then keep for milliseconds. Any thread may draw.
    """

    def __init__(self, each: int, draws: int = 512) -> None:
        self._each, self._draws = each, draws
        self._ready: deque[bytes] = deque()
        os.register_at_fork(after_in_child=self._ready.clear)  # a child would draw the same again

    def draw(self) -> bytes:
        """The next `each` bytes, which nobody else gets."""
        try:
            return self._ready.pop()
        except IndexError:
            each, many = self._each, os.urandom(self._each * self._draws)
            self._ready.extend(many[at : at + each] for at in range(each, len(many), each))
            return many[:each]


entropy = Entropy(10)


def new_job_id(now_s: float) -> JobId:
    """A UUID of version 7 (RFC 9562): ids sort by time, which keeps the tables' indexes dense."""
    number = int(now_s * 1000) << 80 | int.from_bytes(entropy.draw(), "big")
    text = f"{number & ~OF_VERSION | VERSION_7:032x}"
    return JobId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")
