from __future__ import annotations

import os
import time

import psutil
import pytest

from queue_broker.adapters.engines.local.attempt import Claim
from queue_broker.adapters.engines.local.process import HAS_PROC, boot_id, runs

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="there is no /proc here")


def mine(boot: str) -> Claim:
    with open("/proc/self/stat", "rb") as file:
        ticks = int(file.read().rpartition(b") ")[2].split()[19])
    return Claim(os.getpid(), ticks, time.time(), boot)


def test_who_runs_is_known_though_the_clock_was_set_since(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set forward, the boot seems to be after all that was begun since it."""
    monkeypatch.setattr(psutil, "boot_time", lambda: time.time() + 3600)

    assert runs(mine(boot_id()))


def test_nobody_of_before_a_boot_runs() -> None:
    assert not runs(mine("another boot"))
