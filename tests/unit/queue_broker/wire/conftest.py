from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from queue_broker.wire import sigv4
from tests.factories import START_S
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


@pytest.fixture
def aws(migrated: Path, tmp_path: Path) -> Iterator[Batch]:
    """What stands for AWS behind a broker: another one's protocol."""
    (tmp_path / "aws").mkdir()
    shutil.copy(migrated, tmp_path / "aws" / "headgate.db")
    aws = Batch(f"sqlite:///{tmp_path / 'aws' / 'headgate.db'}", tmp_path / "aws")
    yield aws
    aws.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore signs with the broker's clock."""
    import botocore.auth

    class Stopped:
        @staticmethod
        def strftime(form: str) -> str:
            assert form == sigv4.STAMP
            return sigv4.show(START_S)

    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *a, **k: Stopped())
