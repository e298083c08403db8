from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from headgate.errors import Conflict, InvalidInput
from headgate.tenancy import DEFAULT_TIERS, Tenant, Tier
from headgate.validation import parse
from queue_broker.core.hints import Hints, read_hints
from queue_broker.core.limits import Limits, LimitsFile, Windows
from queue_broker.records import Document
from tests.factories import a_job


class Shelf:
    """Documents in a dictionary, with compare-and-set."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str, int], Document] = {}

    def put(self, document: Document) -> Document:
        key = (document.kind, document.name, document.revision)
        known = self.kept.get(key)
        if (known.version if known else 0) != document.version:
            raise Conflict(document.name)
        self.kept[key] = replace(document, version=document.version + 1)
        return self.kept[key]

    def remove(self, document: Document) -> None:
        del self.kept[document.kind, document.name, document.revision]

    def get(self, kind: str, name: str, revision: int = 0) -> Document | None:
        return self.kept.get((kind, name, revision))

    def named(self, kind: str, names: Sequence[str]) -> list[Document]:
        return [one for name in sorted(names) if (one := self.get(kind, name))]

    def exact(self, kind: str, wanted: Sequence[tuple[str, int]]) -> list[Document]:
        return [one for name, revision in wanted if (one := self.get(kind, name, revision))]

    def page(self, kind: str, after: tuple[str, int] | None, limit: int) -> list[Document]:
        del after, limit
        return [one for one in self.kept.values() if one.kind == kind]


class Directory:
    def __init__(self) -> None:
        self.known: dict[str, Tenant] = {}

    def tenants(self) -> list[Tenant]:
        return list(self.known.values())

    def put_tenant(self, tenant: Tenant) -> None:
        self.known[tenant.name] = tenant


@pytest.fixture
def limits() -> Limits:
    return Limits(Directory(), Shelf(), DEFAULT_TIERS, lambda: 5.0)


def test_the_settings_tiers_hold_until_others_are_set(limits: Limits) -> None:
    assert limits.tiers() == DEFAULT_TIERS
    only = Tier(name="only", rank=0, promise_s=9)
    limits.set_tiers([only], "ada")
    assert limits.tiers() == (only,)


def test_every_change_is_on_record_newest_first(limits: Limits) -> None:
    limits.set_tenant(Tenant(name="acme"), "ada")
    limits.set_tenant(Tenant(name="acme", weight=2), "bob")
    limits.set_window("lane", 3.0, "eve")
    window, second, first = limits.changes()
    assert (window.who, window.what, window.after) == ("eve", "windows", {"most_s": {"lane": 3.0}})
    assert first.before is None
    assert second.before is not None
    assert (second.before["weight"], second.after["weight"], second.at_s) == (1.0, 2.0, 5.0)
    assert [one.number for one in limits.changes(limit=2)] == [3, 2]


def test_a_tenant_below_itself_is_refused_and_nothing_is_kept(limits: Limits) -> None:
    limits.set_tenant(Tenant(name="a", parent="b"), "ada")
    with pytest.raises(InvalidInput, match="tree"):
        limits.set_tenant(Tenant(name="b", parent="a"), "ada")
    assert [one.name for one in limits.directory.tenants()] == ["a"]
    assert len(limits.changes()) == 1


def test_minimum_shares_over_the_whole_are_refused(limits: Limits) -> None:
    half = Tier(name="half", rank=0, promise_s=9, min_share=0.6)
    with pytest.raises(InvalidInput, match="min_share adding up"):
        limits.set_tiers([half, half.model_copy(update={"name": "other"})], "ada")


def test_a_window_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"most_s\.lane: got .*0"):
        Windows(most_s={"lane": 0.0})


def test_a_file_of_limits_is_checked_as_a_whole() -> None:
    loop = [{"name": "a", "parent": "b"}, {"name": "b", "parent": "a"}]
    with pytest.raises(InvalidInput, match="below itself"):
        parse(LimitsFile, {"tenants": loop})


def test_tags_become_hints() -> None:
    tags = {"headgate:gang": "true", "headgate:start-by": "99.5", "headgate:max-running": "3"}
    assert read_hints(a_job(tags=tags)) == Hints(gang=True, start_by_s=99.5, max_running=3)
    assert read_hints(a_job(tags={"team": "x"})) == Hints()


@pytest.mark.parametrize(
    ("tag", "word"),
    [
        ("headgate:gang", "perhaps"),
        ("headgate:start-by", "tomorrow"),
        ("headgate:start-by", "-1"),
        ("headgate:max-running", "0"),
        ("headgate:max-starts-per-minute", "many"),
    ],
)
def test_a_tag_that_makes_no_sense_is_named(tag: str, word: str) -> None:
    with pytest.raises(InvalidInput, match=rf"tags\.{tag}: got '{word}'"):
        read_hints(a_job(tags={tag: word}))
