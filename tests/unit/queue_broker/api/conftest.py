from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from headgate.tenancy import Tenant
from queue_broker.settings import Settings
from tests.unit.queue_broker.api.serving import Edge, Stage, opened


@pytest.fixture(scope="session")
def stage() -> Iterator[tuple[Stage, str]]:
    yield from opened()


@pytest.fixture
def edge(database_url: str) -> Edge:
    return Edge(database_url)


def connected(url: str) -> httpx.Client:
    """Patient with a busy machine; it reads no certificates, which takes longer than most tests."""
    return httpx.Client(base_url=url, timeout=60, verify=False)  # noqa: S501 - there is no TLS


@pytest.fixture
def http(edge: Edge, stage: tuple[Stage, str]) -> Iterator[httpx.Client]:
    with stage[0].showing(edge), connected(stage[1]) as client:
        yield client


@pytest.fixture
def guarded(database_url: str, stage: tuple[Stage, str]) -> Iterator[httpx.Client]:
    """A broker with tokens: of `acme`, of `rival`, and of `house`, which stands above `acme`."""
    settings = Settings(tokens={"a-token": "acme", "r-token": "rival", "h-token": "house"})
    edge = Edge(database_url, settings)
    edge.store.put_tenant(Tenant(name="house"))
    edge.store.put_tenant(Tenant(name="acme", parent="house"))
    with stage[0].showing(edge), connected(stage[1]) as client:
        yield client
