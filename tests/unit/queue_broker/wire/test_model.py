"""AWS's service models as they are loaded."""

from __future__ import annotations

from queue_broker.wire.model import load


def test_a_model_is_read_once_and_not_for_each_request() -> None:
    assert load("logs") is load("logs")
