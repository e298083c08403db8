"""Databases for a broker and for the stand-in behind it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_broker.adapters.store.store import SqlStore
from tests.integration.aws.desk import Desk
from tests.integration.aws.moto_server import Moto, moto_server


@pytest.fixture(scope="session")
def moto() -> Iterator[Moto]:
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database to copy."""
    path = tmp_path_factory.mktemp("template") / "headgate.db"
    SqlStore(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def sqlite_url(template: Path, tmp_path: Path) -> str:
    (tmp_path / "one").mkdir()
    shutil.copy(template, tmp_path / "one" / "headgate.db")
    return f"sqlite:///{tmp_path / 'one' / 'headgate.db'}"


@pytest.fixture
def second_sqlite_url(template: Path, tmp_path: Path) -> str:
    (tmp_path / "two").mkdir()
    shutil.copy(template, tmp_path / "two" / "headgate.db")
    return f"sqlite:///{tmp_path / 'two' / 'headgate.db'}"


@pytest.fixture
def desk(moto: Moto, sqlite_url: str) -> Iterator[Desk]:
    desk = Desk(moto, sqlite_url)
    desk.inbox.sqs.meta.events.register(
        "provide-client-params.sqs.ReceiveMessage",
        lambda params, **_: params | {"WaitTimeSeconds": 0},
    )
    yield desk
    desk.store.close()
