"""The shelf's contract, on SQLite and PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from headgate.errors import Conflict
from headgate.tenancy import Tenant
from queue_broker.adapters.store.shelf import SqlShelf
from queue_broker.adapters.store.store import SqlStore
from queue_broker.records import Document


@pytest.fixture
def shelf(store: SqlStore) -> SqlShelf:
    return SqlShelf(store.database)


def test_a_document_comes_back_as_it_was_put(shelf: SqlShelf) -> None:
    body = {"text": "ü", "list": [1, None, {"a": True}]}
    kept = shelf.put(Document("queue", "a", body))
    assert kept == Document("queue", "a", body, revision=0, version=1)
    assert shelf.get("queue", "a") == kept
    assert shelf.get("environment", "a") is None


def test_what_moved_on_is_not_overwritten(shelf: SqlShelf) -> None:
    first = shelf.put(Document("queue", "a", {"n": 1}))
    second = shelf.put(replace(first, body={"n": 2}))
    for stale in (first, Document("queue", "a", {})):
        with pytest.raises(Conflict, match="queue 'a'"):
            shelf.put(stale)
    with pytest.raises(Conflict):
        shelf.remove(first)
    shelf.remove(second)
    assert shelf.get("queue", "a") is None


def test_revisions_come_newest_first(shelf: SqlShelf) -> None:
    for name, revision in (("b", 1), ("a", 1), ("a", 3), ("a", 2)):
        shelf.put(Document("definition", name, {}, revision))
    order = [("a", 3), ("a", 2), ("a", 1), ("b", 1)]
    assert [(one.name, one.revision) for one in shelf.page("definition", None, 10)] == order
    assert [(one.name, one.revision) for one in shelf.page("definition", ("a", 2), 10)] == order[2:]
    assert [one.revision for one in shelf.named("definition", ["a", "c"])] == [3, 2, 1]
    exact = shelf.exact("definition", [("a", 2), ("b", 1), ("b", 3)])
    assert {(one.name, one.revision) for one in exact} == {("a", 2), ("b", 1)}
    assert shelf.named("definition", []) == shelf.exact("definition", []) == []


def test_one_of_many_at_once_makes_it(shelf: SqlShelf) -> None:
    def put(at: int) -> bool:
        try:
            shelf.put(Document("queue", "a", {"n": at}))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(put, range(8))) == 1


def test_of_several_all_are_kept_or_none(store: SqlStore, shelf: SqlShelf) -> None:
    kept = shelf.put(Document("queue", "b", {}))
    with pytest.raises(Conflict):
        shelf.put_all([Document("queue", "a", {}), Document("queue", "b", {})], [Tenant(name="t")])
    assert (shelf.get("queue", "a"), store.tenants()) == (None, [])
    shelf.put_all([Document("queue", "a", {}), kept], [Tenant(name="t", weight=2)])
    assert [one.version for one in shelf.page("queue", None, 9)] == [1, 2]
    assert store.tenants() == [Tenant(name="t", weight=2)]


def test_a_change_of_a_limit_killed_anywhere_is_kept_with_its_entry_or_not_at_all(
    store_url: str,
) -> None:
    command = [sys.executable, "-m", "tests.contract.crashing_limits", store_url]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=60, check=True)
    tries = [line.split() for line in done.stdout.splitlines()]
    assert [ending for ending, *_ in tries] == ["killed"] * (len(tries) - 1) + ["finished"]
    assert len(tries) > 6  # it was killed between its writes too
    assert all(weight == entry for _, weight, entry in tries)
    assert tries[-1][1] == f"[{len(tries) + 1}.0]"
