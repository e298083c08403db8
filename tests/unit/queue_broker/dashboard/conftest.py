"""A dashboard over an empty store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.queue_broker.dashboard.window import Window, open_window


@pytest.fixture
def window(database_url: str, tmp_path: Path) -> Iterator[Window]:
    opened = open_window(database_url, tmp_path)
    yield opened
    opened.edge.store.close()
