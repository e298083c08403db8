"""Long work in the background, in small pieces with rests between them."""

from __future__ import annotations

import pytest

from queue_broker.core.pace import RESTS, unhurried


def test_rests_are_as_long_as_the_work_before_them_asks_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worked_s = iter([0.0, 0.25, 0.25, 1.0, 1.0])
    rests_s: list[float] = []
    monkeypatch.setattr("time.thread_time", lambda: next(worked_s))
    monkeypatch.setattr("time.sleep", rests_s.append)

    assert list(unhurried(range(5), every=2)) == [0, 1, 2, 3, 4]

    assert rests_s == [0.25 * RESTS, 0.75 * RESTS]
