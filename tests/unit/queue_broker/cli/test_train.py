"""`headgate train`: what it decides is said, kept, and published where it is better."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from headgate.errors import InvalidInput
from predictor.history import SCHEMA
from queue_broker.adapters.lake import FolderLake
from queue_broker.adapters.registry import FolderRegistry
from queue_broker.cli import train as cli
from queue_broker.cli.train import show, train, train_once
from queue_broker.settings import Settings
from tests.unit.predictor.examples import sweep_history
from training.dataset import build
from training.fit import FitOptions, fit


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
    show(result, version)
    assert capsys.readouterr().out == f"no model yet: {kept.reason}\n"

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


def test_of_a_history_longer_than_a_night_a_part_is_read_some_rows_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    began_s = time.time() - 9_000
    history = [
        replace(one, finished_at_s=began_s + at) for at, one in enumerate(sweep_history(300))
    ]
    FolderLake(tmp_path / "lake").write(history, "part")
    sizes, read = list[int](), FolderLake.read

    def counted(lake: FolderLake, **asked: Any) -> pd.DataFrame:
        found = read(lake, **asked)
        sizes.append(found.size)
        return found

    monkeypatch.setattr(FolderLake, "read", counted)
    monkeypatch.setattr(cli, "MOST_ROWS", 120)
    monkeypatch.setattr(cli, "AT_ONCE", 50)

    result, _ = train_once(Settings(data_dir=tmp_path), days=90)

    assert result.card["rows"] == 120
    assert sizes == [300] + [50 * len(SCHEMA)] * 6
    assert "learning from 120 of 300 attempts" in capsys.readouterr().out


def test_an_older_model_is_gone_back_to_and_that_is_on_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = FolderRegistry(tmp_path / "models")
    model = fit(build(sweep_history(60)), FitOptions(rounds=5), {"rows": 60})
    for version in ("a", "b"):
        registry.publish(replace(model, version=version))

    train(tmp_path, 90, use="a")

    assert registry.current_version() == "a"
    assert (registry.trainings()[0].version, registry.trainings()[0].reason) == (
        "a",
        "chosen by hand",
    )
    assert "a is in use" in capsys.readouterr().out
    with pytest.raises(InvalidInput, match=r"--use: got 'c'; allowed: one of the models, .*: a, b"):
        train(tmp_path, 90, use="c")


def test_a_folder_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="--data-dir"):
        train(tmp_path / "other", 90)
    assert not (tmp_path / "other").exists()
