from __future__ import annotations

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from headgate import Client, default
from queue_broker.cli.main import app
from tests.unit.queue_broker.api.serving import Edge, Stage, opened
from tests.unit.queue_broker.cli.commands import Headgate, Run


@pytest.fixture(autouse=True)
def _clients_are_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command's process ends with it, and its connections do too; these tests stay."""
    made: list[Client] = []

    def make(url: str | None, token: str | None) -> Client:
        made.append(Client(url, token))
        return made[-1]

    monkeypatch.setattr(default, "_client", make)
    yield
    for client in made:
        client.close()


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[Stage, str]]:
    yield from opened()


@pytest.fixture
def edge(database_url: str, stage: tuple[Stage, str]) -> Iterator[Edge]:
    edge = Edge(database_url)
    with stage[0].showing(edge):
        yield edge


@pytest.fixture
def run(edge: Edge, stage: tuple[Stage, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("HEADGATE_URL", stage[1])
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(app, list(words))


@pytest.fixture
def headgate(run: Run) -> Headgate:
    """The output of a command that succeeds."""

    def output(*words: str) -> str:
        result = run(*words)
        assert result.exit_code == 0, (result.output, result.exception)
        return str(result.stdout)

    return output
