"""Whoever needs the predictor again and again lets those in who wait for it."""

from __future__ import annotations

import time

import pytest

from queue_broker.core.forecast import PAUSE_S, Shared, Turns


def test_between_two_turns_is_a_pause_only_where_somebody_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    shared = Shared()

    with Turns(shared):
        pass
    assert pauses == []

    with Turns(shared):
        shared.waiting.add(1)  # as a thread does that comes meanwhile
    assert pauses == [PAUSE_S]


def test_who_has_had_the_lock_waits_for_it_no_more() -> None:
    shared = Shared()

    with shared:
        assert not shared.waiting
        assert shared.lock.locked()
    assert not shared.lock.locked()
