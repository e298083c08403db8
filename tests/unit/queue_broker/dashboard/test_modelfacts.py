"""What is said of the model in use."""

from __future__ import annotations

import pytest

from headgate.errors import BadArtifact
from headgate.views import Training
from predictor.predictor import Predictor
from queue_broker.dashboard.modelfacts import model_facts
from tests.factories import START_S
from tests.unit.queue_broker.dashboard.window import Window

NOW_S = START_S + 90  #: on the window's clock
KEPT = Training(at_s=NOW_S - 5, promoted=False, reason="costs 11 GBh where the current costs 8")
PROMOTED = Training(at_s=NOW_S - 30, promoted=True, reason="costs 3 GBh", version="v7")
CARD = {"rows": 1234, "to_s": START_S, "metrics": {"coverage": 0.951, "wasted_gbh": 12.34}}


def test_a_card_is_told_in_words() -> None:
    facts = model_facts("v7", None, CARD)
    assert (facts.version, facts.rows, facts.learnt_to_s) == ("v7", 1234, START_S)
    assert [value for _, value in facts.metrics] == ["95.1 %", "12.3"]
    assert (facts.trained_at_s, facts.last) == (None, None)


def test_when_it_was_trained_is_told_by_the_training_that_promoted_it() -> None:
    facts = model_facts("v7", None, CARD, [KEPT, PROMOTED])
    assert (facts.trained_at_s, facts.last) == (PROMOTED.at_s, KEPT)
    assert model_facts("v6", None, CARD, [KEPT, PROMOTED]).trained_at_s is None
    assert model_facts(None, None, {}, [KEPT]).trained_at_s is None


def test_a_card_that_says_nothing_is_no_error() -> None:
    facts = model_facts("v7", None, {"metrics": None})
    assert (facts.rows, facts.trained_at_s, facts.metrics) == (None, None, [])


def test_the_model_in_use_is_on_the_page_with_what_it_learnt_from(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Predictor, "version", "v7")
    monkeypatch.setattr(window.board, "_cards", {"v7": CARD})
    window.edge.fleet.noted = [PROMOTED]
    said = window.words("model")
    assert "In use v7 Trained 30 s ago On 1,234 attempts" in said
    assert "The latest of them ended 1 min ago" in said
    assert "Model in use v7 trained on 1,234 attempts" in window.words("tiles")


def test_why_the_last_training_promoted_or_kept_is_on_the_page(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.edge.fleet.noted = [KEPT]
    no_model = "Last training, just now : no model yet . Costs 11 GBh where the current costs 8."
    assert no_model in window.words("model")
    monkeypatch.setattr(Predictor, "version", "v7")
    monkeypatch.setattr(window.board, "_cards", {"v7": CARD})
    assert "kept the old model . Costs 11 GBh" in window.words("model")
    window.edge.fleet.noted = [PROMOTED, KEPT]
    assert "promoted the new model . Costs 3 GBh" in window.words("model")


def test_trainings_that_cannot_be_read_keep_nobody_from_the_page(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hurt(fleet: object) -> None:
        raise BadArtifact("trainings.jsonl cannot be read")

    monkeypatch.setattr(type(window.edge.fleet), "trainings", hurt)
    assert "Last training" not in window.words("model")


def test_a_model_whose_files_were_hurt_since_is_still_named(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hurt(registry: object, version: str | None = None) -> None:
        raise BadArtifact("the checksums do not match")

    monkeypatch.setattr(Predictor, "version", "v7")
    monkeypatch.setattr(type(window.board.insights.registry), "load", hurt, raising=False)
    assert "In use v7" in window.words("model")
