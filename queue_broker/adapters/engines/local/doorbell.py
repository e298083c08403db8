"""What the watcher sleeps on: a ring from another thread, the end of a process, or the clock."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterable


class Doorbell:
    """A pipe that wakes a sleeper. One sleeper; anybody may ring."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it rings already
            os.write(self._write, b"!")

    def wait(self, ends: Iterable[int], timeout_s: float | None) -> None:
        """Returns at a ring, when one of the process handles in `ends` is over, or in time."""
        poller = select.poll()
        for handle in (self._read, *ends):
            poller.register(handle, select.POLLIN)
        poller.poll(None if timeout_s is None else timeout_s * 1000)
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 4096)

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)


def end_of(pid: int) -> int | None:
    """A handle that becomes readable when a process ends; None where the system has none (macOS):
    its end is then seen at the next sample.
    """
    with contextlib.suppress(AttributeError, OSError):
        return os.pidfd_open(pid)
    return None
