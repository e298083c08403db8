"""`headgate train`: what it decides is said, kept, and published where it is better."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from queue_broker.adapters.lake import FolderLake
from queue_broker.adapters.registry import FolderRegistry
from queue_broker.cli.train import show, train_once
from queue_broker.settings import Settings
from tests.unit.predictor.examples import sweep_history


def test_a_night_s_decision_is_noted_with_its_reason_and_the_promoted_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, registry = Settings(data_dir=tmp_path), FolderRegistry(tmp_path / "models")
    begun_s = time.time()
    result, version = train_once(settings, days=90)
    assert version is None
    [kept] = registry.trainings()
    assert (kept.promoted, kept.version, kept.reason) == (False, None, result.decision.reason)
    assert kept.at_s >= begun_s

    history = [
        replace(one, finished_at_s=begun_s - 9_000 + at)
        for at, one in enumerate(sweep_history(110))
    ]
    FolderLake(tmp_path / "lake").write(history, "part")
    result, version = train_once(settings, days=90)
    assert version is not None
    newest, oldest = registry.trainings()
    assert (newest.promoted, newest.version, oldest) == (True, version, kept)
    show(result, version)
    said = " ".join(capsys.readouterr().out.split())
    assert f"promoted as {version}: {newest.reason}" in said
