"""The machine under test, with and without cgroups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.queue_broker.adapters.engines.local.machine import (
    HAS_CGROUPS,
    Machine,
)


@pytest.fixture(params=[True, False], ids=["cgroups", "pss"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    if request.param and not HAS_CGROUPS:
        pytest.skip("no cgroup can be made here")
    made = Machine(tmp_path, cgroups=request.param)
    yield made
    made.engine.close()
