"""What is said of the model in use."""

from __future__ import annotations

import pytest

from headgate.errors import BadArtifact
from predictor.predictor import Predictor
from queue_broker.dashboard.modelfacts import model_facts
from tests.factories import START_S
from tests.unit.queue_broker.dashboard.window import Window

CARD = {"rows": 1234, "to_s": START_S, "metrics": {"coverage": 0.951, "wasted_gbh": 12.34}}


def test_a_card_is_told_in_words() -> None:
    facts = model_facts("v7", None, CARD | {"decision": "costs 3 GBh where the current costs 4"})
    assert (facts.version, facts.rows, facts.trained_at_s) == ("v7", 1234, START_S)
    assert [value for _, value in facts.metrics] == ["95.1 %", "12.3"]
    assert facts.decision == "costs 3 GBh where the current costs 4"


def test_a_card_that_says_nothing_is_no_error() -> None:
    facts = model_facts("v7", None, {"metrics": None})
    assert (facts.rows, facts.trained_at_s, facts.metrics) == (None, None, [])


def test_the_model_in_use_is_on_the_page_with_what_it_learnt_from(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Predictor, "version", "v7")
    monkeypatch.setattr(window.board, "_cards", {"v7": CARD})
    assert "In use v7 Trained 1 min ago On 1,234 attempts" in window.words("model")
    assert "Model in use v7 trained on 1,234 attempts" in window.words("tiles")


def test_a_model_whose_files_were_hurt_since_is_still_named(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hurt(registry: object, version: str | None = None) -> None:
        raise BadArtifact("the checksums do not match")

    monkeypatch.setattr(Predictor, "version", "v7")
    monkeypatch.setattr(type(window.board.insights.registry), "load", hurt, raising=False)
    assert "In use v7" in window.words("model")
