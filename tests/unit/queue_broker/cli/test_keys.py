from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from headgate.errors import InvalidInput, NotFound
from queue_broker.adapters.store.database import Database
from queue_broker.adapters.store.shelf import SqlShelf
from queue_broker.cli.keys import app
from queue_broker.wire.keys import KIND


@pytest.fixture
def folder(database_url: str, tmp_path: Path) -> Path:
    assert database_url.endswith(str(tmp_path / "headgate.db"))
    return tmp_path


def run(folder: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--data-dir", str(folder)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return str(done.output)


def kept(folder: Path) -> list[dict[str, Any]]:
    database = Database(f"sqlite:///{folder / 'headgate.db'}")
    found = SqlShelf(database).page(KIND, None, 10)
    database.close()
    return [one.body | {"id": one.name} for one in found]


def test_a_key_is_printed_as_awss_tools_read_it(folder: Path) -> None:
    lines = dict(
        line.removeprefix("export ").split("=", 1)
        for line in run(folder, "create", "--tenant", "research").splitlines()
    )
    (key,) = kept(folder)
    assert lines == {"AWS_ACCESS_KEY_ID": key["id"], "AWS_SECRET_ACCESS_KEY": key["secret"]}
    assert key["tenant"] == "research"


def test_keys_are_listed_without_their_secrets(folder: Path) -> None:
    run(folder, "create", "--tenant", "research")
    listed = run(folder, "list")
    (key,) = kept(folder)
    assert key["id"] in listed
    assert "research" in listed
    assert key["secret"] not in listed


def test_a_key_is_taken_back(folder: Path) -> None:
    run(folder, "create", "--tenant", "research")
    run(folder, "create", "--tenant", "production")
    assert "It was the last" not in run(folder, "remove", kept(folder)[0]["id"])
    assert "It was the last: no client" in run(folder, "remove", kept(folder)[0]["id"])
    assert kept(folder) == []
    with pytest.raises(NotFound, match="'none'"):
        run(folder, "remove", "none")


def test_a_tenant_is_a_name(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="--tenant: got 'a b'"):
        run(folder, "create", "--tenant", "a b")
