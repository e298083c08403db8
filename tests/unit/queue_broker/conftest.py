"""A migrated SQLite database to copy: migrating takes longer than most tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from queue_broker.adapters.store.store import SqlStore


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "headgate.db"
    SqlStore(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def database_url(migrated: Path, tmp_path: Path) -> str:
    shutil.copy(migrated, tmp_path / "headgate.db")
    return f"sqlite:///{tmp_path / 'headgate.db'}"
