from __future__ import annotations

from collections.abc import Iterator

import pytest

from headgate import Client, default


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
