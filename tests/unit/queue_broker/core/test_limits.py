from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from headgate.errors import InvalidInput, Unavailable
from headgate.tenancy import DEFAULT_TIERS, Tenant, Tier
from headgate.validation import parse
from queue_broker.adapters.store import shelf
from queue_broker.adapters.store.shelf import SqlShelf
from queue_broker.adapters.store.store import SqlStore
from queue_broker.core.hints import Hints, read_hints
from queue_broker.core.limits import CHANGES, Limits, LimitsFile, Seen, Windows
from queue_broker.records import Document
from tests.factories import a_job, a_submission


@pytest.fixture
def limits(database_url: str) -> Iterator[Limits]:
    with SqlStore(database_url) as store:
        yield Limits(store, SqlShelf(store.database), DEFAULT_TIERS, lambda: 5.0)


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
    assert second.differences() == [("weight", 1.0, 2.0)]
    assert [one.number for one in limits.changes(limit=2)] == [3, 2]


def test_what_changes_nothing_is_no_change(limits: Limits) -> None:
    for _ in range(2):
        limits.set_tenant(Tenant(name="acme"), "ada")
        limits.set_tiers(limits.tiers(), "ada")
        limits.set_window("lane", 3.0, "ada")
    assert [one.what for one in limits.changes()] == ["windows", "tenant acme"]


def test_a_change_of_tiers_tells_the_fields_that_changed(limits: Limits) -> None:
    first, *others = limits.tiers()
    limits.set_tiers([first.model_copy(update={"promise_s": 5.0}), *others], "ada")
    [change] = limits.changes()
    assert change.differences() == [("production.promise_s", 30.0, 5.0)]


def test_a_window_that_is_freed_adapts_again(limits: Limits) -> None:
    limits.set_window("lane", 3.0, "ada")
    limits.set_window("other", 4.0, "ada")
    limits.set_window("lane", None, "ada")
    assert limits.windows().most_s == {"other": 4.0}
    assert limits.changes()[0].differences() == [("most_s.lane", 3.0, None)]


def test_a_change_is_made_anew_where_somebody_else_was_quicker(
    limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody puts `a` below `b` while `b` is about to go below `a`: no cycle comes of it."""
    tenants, others = limits.directory.tenants, [Tenant(name="a", parent="b")]

    def meanwhile() -> list[Tenant]:
        known = tenants()
        if others:
            limits.set_tenant(others.pop(), "eve")
        return known

    monkeypatch.setattr(limits.directory, "tenants", meanwhile)
    with pytest.raises(InvalidInput, match="tree"):
        limits.set_tenant(Tenant(name="b", parent="a"), "ada")
    assert [(one.number, one.who) for one in limits.changes()] == [(1, "eve")]


def test_an_entry_that_cannot_be_kept_keeps_the_change_away(
    limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(connection: object, document: Document) -> None:
        if document.kind == CHANGES:
            raise Unavailable("the disk is full")
        put(connection, document)  # type: ignore[arg-type]

    put = shelf.put
    monkeypatch.setattr(shelf, "put", full)
    wishes: list[Callable[[], None]] = [
        lambda: limits.set_tenant(Tenant(name="acme"), "ada"),
        lambda: limits.set_tiers([Tier(name="only", rank=0, promise_s=9)], "ada"),
        lambda: limits.set_window("lane", 3.0, "ada"),
    ]
    for wish in wishes:
        with pytest.raises(Unavailable):
            wish()
    assert limits.file() == LimitsFile()
    assert (limits.windows(), limits.changes()) == (Windows(), [])


def test_tenants_of_the_settings_are_on_record_and_live_changes_outlive_a_restart(
    limits: Limits,
) -> None:
    said = Tenant(name="acme", weight=2)
    limits.begin([said])
    limits.set_tenant(said.model_copy(update={"weight": 5.0}), "ada")
    limits.begin([said])  # a restart
    assert [(one.name, one.weight) for one in limits.directory.tenants()] == [("acme", 5.0)]
    limits.begin([said.model_copy(update={"weight": 3.0})])  # a restart with other settings
    assert [(one.name, one.weight) for one in limits.directory.tenants()] == [("acme", 3.0)]
    assert [one.who for one in limits.changes()] == ["settings", "ada", "settings"]


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


def test_a_tier_that_somebody_needs_is_not_taken_away(limits: Limits) -> None:
    needs_sweep = replace(limits, needed=["sweep"])
    production, interactive, sweep = limits.tiers()
    with pytest.raises(InvalidInput, match="with sweep, which the settings' queues or defaults"):
        needs_sweep.set_tiers([production], "ada")
    job = a_submission("job")
    assert isinstance(limits.directory, SqlStore)
    limits.directory.add([replace(job, tier="interactive")])
    with pytest.raises(InvalidInput, match="with interactive, until the jobs there have ended"):
        needs_sweep.set_tiers([production, sweep], "ada")
    needs_sweep.set_tiers([interactive, sweep], "ada")
    assert list(limits.tiers()) == [interactive, sweep]


def test_what_another_broker_changed_is_seen_within_a_second(limits: Limits) -> None:
    now_s = [0.0]
    here = replace(limits, clock=lambda: now_s[0], seen=Seen())
    assert here.modes()["interactive"] == "safe"
    limits.set_tiers([one.model_copy(update={"mode": "cost"}) for one in limits.tiers()], "ada")
    now_s[0] = 0.9
    assert (here.stale, here.modes()["interactive"]) == (False, "safe")
    now_s[0] = 1.0
    assert (here.stale, here.modes()["interactive"]) == (True, "cost")


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
