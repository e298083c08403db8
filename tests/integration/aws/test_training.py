"""`headgate train` and `headgate history import` where the history is a bucket on S3."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from queue_broker.adapters.registry import FolderRegistry
from queue_broker.adapters.s3_lake import S3Lake, s3_files
from queue_broker.cli.main import app
from tests.integration.aws.moto_server import Moto
from tests.unit.predictor.examples import sweep_history

LONG_AGO_S = 1_700_000_000.0


@pytest.fixture
def lake(moto: Moto, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> S3Lake:
    """The lake of a broker on AWS, as its settings in this process's environment name it."""
    bucket = moto.bucket()
    aws = {"bucket": bucket, "prefix": "house", "endpoint_urls": {"s3": moto.url}}
    for name, value in {
        "HEADGATE_ENGINE": "aws",
        "HEADGATE_AWS": json.dumps(aws),
        "HEADGATE_DATA_DIR": str(tmp_path),
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "COLUMNS": "200",
    }.items():
        monkeypatch.setenv(name, value)
    files = s3_files("us-east-1", moto.url, access_key="key", secret_key="secret")
    return S3Lake(f"{bucket}/house/lake", files)


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def test_the_nightly_training_learns_from_the_bucket(lake: S3Lake, tmp_path: Path) -> None:
    seen = [
        replace(item, finished_at_s=LONG_AGO_S + item.finished_at_s) for item in sweep_history(60)
    ]
    lake.write(seen, "night")

    told = run("train", "--days", "30000")

    model = FolderRegistry(tmp_path / "models").load()
    assert model is not None
    assert model.card["rows"] == 60
    assert f"promoted as {model.version}" in told


def test_what_is_imported_goes_to_the_bucket(lake: S3Lake, tmp_path: Path) -> None:
    table = tmp_path / "jobs.csv"
    table.write_text("name,finished_at_s,runtime_s\netl,1700000000,12.5\n")

    assert "1 new" in run("history", "import", str(table))
    assert "0 new, 1 known before" in run("history", "import", str(table))
    assert list(lake.read()["name"]) == ["etl"]
    assert not (tmp_path / "lake").exists()
