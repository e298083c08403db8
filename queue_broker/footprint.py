"""How a broker's process holds memory: what is set once, before it serves."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

#: From glibc's malloc.h. Without them each thread keeps what it freed in an arena of its own, and
#: blocks of megabytes are kept once one of them was freed: after an upload of a million rows that
#: was 40 MiB for good. Elsewhere than on glibc nothing is set, and nothing is lost but that.
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
ARENAS, MAPPED_BYTES = 2, 1 << 20


def bound_heap() -> None:
    """Before any thread is started."""
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, ARENAS)
        mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)


def rest_collector() -> None:
    """What was built lives as long as the process: the collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
