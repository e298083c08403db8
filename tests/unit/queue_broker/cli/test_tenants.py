"""`headgate tenants` on a database of a broker that does not run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from headgate.errors import InvalidInput
from queue_broker.cli.main import app


@pytest.fixture(autouse=True)
def _in_the_brokers_folder(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database_url.endswith(str(tmp_path / "headgate.db"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADGATE_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("COLUMNS", raising=False)


def call(*words: str) -> Any:
    return CliRunner().invoke(app, ["tenants", *words])


def run(*words: str) -> str:
    done = call(*words)
    assert done.exit_code == 0, (done.output, done.exception)
    return str(done.output)


def test_empty_lists_say_what_to_do_next() -> None:
    assert "headgate tenants set NAME" in run("list")
    assert run("changes") == "Nobody has changed a limit yet.\n"


def test_what_is_set_is_listed_and_on_record() -> None:
    run("set", "physics/lab", "--weight", "2", "--quota-vcpu", "400", "--no-borrow")

    listed, (record, *_) = run("list"), run("changes").splitlines()[1:]

    assert "physics/lab" in listed
    assert "vcpu 400" in listed
    assert "tenant physics/lab" in record
    assert "weight: 2.0" in record

    run("set", "physics/lab", "--weight", "3")
    assert "weight: 2.0 > 3.0" in run("changes")


def test_lists_fit_in_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    run("set", "physics/lab", "--quota-vcpu", "400", "--quota-gpus", "8", "--max-running", "2000")
    monkeypatch.setenv("COLUMNS", "80")

    assert all(len(line.rstrip()) <= 80 for line in run("list").splitlines())


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("set", "a", "--weight", "0"), "weight: got 0.0; allowed: greater than 0"),
        (("set", "a", "--weight", "nan"), "weight: got nan; allowed: a finite number"),
        (("set", "a b"), "name: got 'a b'; allowed: letters, digits and"),
        (("set", "a", "--parent", "a"), "parent"),
        (("window", "lane-1", "0"), "most_s.lane-1: got 0.0; allowed: more than 0 seconds"),
        (("tiers", "none.json"), "FILE: got 'none.json'; allowed: a file that can be read"),
    ],
)
def test_what_is_wrong_is_named(words: tuple[str, ...], error: str) -> None:
    raised = call(*words).exception

    assert isinstance(raised, InvalidInput)
    assert error in str(raised)


def test_a_file_of_tiers_names_its_wrong_fields() -> None:
    Path("limits.json").write_text('{"tiers": [{"name": "x", "rnk": 1}]}')

    raised = call("tiers", "limits.json").exception

    assert isinstance(raised, InvalidInput)
    assert "FILE: tiers.0.rank: got nothing" in str(raised)
    assert "FILE: tiers.0.rnk: got 1; allowed: only documented fields" in str(raised)


def test_what_is_exported_can_be_set() -> None:
    limits = json.loads(run("export"))
    limits["tiers"][0]["promise_s"] = 7
    Path("limits.json").write_text(json.dumps(limits))

    run("tiers", "limits.json")

    assert json.loads(run("export")) == limits


def test_a_folder_where_no_broker_was_is_refused_and_stays_empty(tmp_path: Path) -> None:
    raised = call("list", "--data-dir", str(tmp_path / "other")).exception

    assert isinstance(raised, InvalidInput)
    assert "--data-dir" in str(raised)
    assert not (tmp_path / "other").exists()
