"""Long work in the background, in small pieces with rests between them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

#: Rests are so many times as long as the work before them: a third of the interpreter at most. Of a
#: large sweep's end, that is some ten thousand attempts a second for the lake.
RESTS = 2.0


def unhurried(items: Iterable[T], every: int = 1) -> Iterator[T]:
    """The items, with a rest after `every` so many: requests share the interpreter with this
    thread, and one that waits for it at each row it reads would wait for the whole of the work.
    """
    began_s = time.thread_time()
    for number, item in enumerate(items, 1):
        yield item
        if number % every == 0:
            time.sleep(RESTS * (time.thread_time() - began_s))
            began_s = time.thread_time()
