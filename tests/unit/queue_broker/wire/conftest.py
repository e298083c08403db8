from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.queue_broker.wire.batch import Batch


@pytest.fixture
def batch(database_url: str, tmp_path: Path) -> Iterator[Batch]:
    """An open broker, with a job definition `plain`."""
    batch = Batch(database_url, tmp_path)
    batch.define()
    yield batch
    batch.close()


@pytest.fixture
def client(batch: Batch) -> Any:
    return batch.client
