"""Fixtures of the contract suites: a store on each database, fresh for every test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_broker.adapters.store.schema import metadata
from queue_broker.adapters.store.store import SqlStore
from tests.factories import START_S
from tests.integration.aws.moto_server import Moto, moto_server
from tests.postgres import NoPostgres, Server, shared_server


@pytest.fixture(scope="session")
def moto() -> Iterator[Moto]:
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of a session share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def postgres(shared_folder: Path) -> Server:
    """The session's PostgreSQL. Where there is none, tests skip, but fail in CI."""
    try:
        return shared_server(shared_folder)
    except NoPostgres as error:
        if "CI" in os.environ:
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database to copy: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("template") / "headgate.db"
    SqlStore(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def postgres_database(postgres: Server) -> Iterator[str]:
    """This worker's own migrated database."""
    name = postgres.create()
    SqlStore(postgres.url(name)).close()
    yield name
    postgres.drop(name)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    shutil.copy(sqlite_template, tmp_path / "headgate.db")
    return f"sqlite:///{tmp_path / 'headgate.db'}"


@pytest.fixture
def postgres_url(postgres: Server, postgres_database: str) -> str:
    """The worker's database, emptied: making a fresh one takes longer than most tests."""
    return emptied(postgres, postgres_database)


def emptied(server: Server, database: str) -> str:
    """The URL of a migrated database, with nothing in its tables any more."""
    tables = reversed(metadata.sorted_tables)
    server.execute(";".join(f"DELETE FROM {table.name}" for table in tables), database)
    return server.url(database)


@pytest.fixture
def empty_postgres_url(postgres: Server) -> Iterator[str]:
    """A database with nothing in it, not even tables."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'new' / 'headgate.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """A new database of each kind."""
    url: str = request.getfixturevalue(f"empty_{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[SqlStore]:
    """The store under test; its clock stands still."""
    made = SqlStore(store_url, clock=lambda: START_S)
    yield made
    made.close()
