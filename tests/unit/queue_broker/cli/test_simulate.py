"""`headgate simulate` and `headgate what-if`: small replays, and what they refuse beforehand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from headgate.errors import InvalidInput
from queue_broker.cli.main import app

TRACE = "submit_time_s,duration_s,user\n0,60,ada\n5,60,ada\n9,30,bob\n"
LIMITS = {"tiers": [{"name": "interactive", "rank": 1, "promise_s": 60}]}


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("trace.csv").write_text(TRACE)
    Path("unsorted.csv").write_text("submit_time_s,duration_s,user\n5,60,ada\n0,60,ada\n")
    Path("empty.csv").write_text("")
    Path("torn.parquet").write_bytes(b"PAR1 and no more")
    Path("limits.json").write_text(json.dumps(LIMITS))
    Path("wrong.json").write_text('{"tires": []}')
    Path("torn.json").write_text("{")


def call(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def refusal(*words: str) -> str:
    raised = call(*words).exception
    assert isinstance(raised, InvalidInput), raised
    return str(raised)


def test_a_trace_is_replayed_under_each_policy() -> None:
    done = call("simulate", "trace.csv", "--policy", "headgate", "--policy", "batch-fifo")

    assert done.exit_code == 0, done.exception
    assert "headgate" in done.output
    assert "batch-fifo" in done.output
    assert "lanes 1, instances 1, each of 4 vCPUs and 16 GiB; 0.19 USD an hour" in done.output


def test_a_sweep_that_could_never_start_is_refused_before_anything_is_replayed() -> None:
    words = refusal("simulate", "trace.csv", "--sweep", "5", "--sweep-gpus", "1")

    assert words.startswith("--sweep-gpus: got 1; allowed: 0 at the most")


def test_a_sweep_may_ask_for_gpus() -> None:
    Path("gpus.csv").write_text("submit_time_s,duration_s,user,gpus\n0,60,ada,2\n")
    done = call("simulate", "gpus.csv", "--sweep", "5", "--sweep-gpus", "2")

    assert done.exit_code == 0, done.exception
    assert "GPUs 2" in done.output


def test_two_settings_are_told_apart_though_their_files_have_one_name() -> None:
    done = call("what-if", "trace.csv", "--now", "limits.json", "--then", "limits.json")

    assert done.exit_code == 0, done.exception
    assert "now: limits" in done.output
    assert "then: limits" in done.output


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("none.csv", "trace: got 'none.csv'; allowed: a CSV or Parquet file that exists"),
        (".", "trace: got '.'; allowed: a CSV or Parquet file that exists"),
        ("limits.json", "trace: got 'limits.json'; allowed: a file named *.csv or *.parquet"),
        ("empty.csv", "trace: got 'empty.csv'; allowed: a CSV or Parquet file that can be read"),
        ("torn.parquet", "a CSV or Parquet file that can be read"),
        ("unsorted.csv", "submit_time_s[1]: got 0.0; allowed: times in ascending order"),
    ],
)
def test_a_trace_that_cannot_be_replayed_is_refused(file: str, words: str) -> None:
    assert words in refusal("simulate", file)


def test_an_unknown_policy_is_refused_before_anything_is_replayed() -> None:
    words = refusal("simulate", "none.csv", "--policy", "headgate", "--policy", "fifo")

    assert words.startswith("--policy: got 'fifo'; allowed: one of headgate, batch-fifo")


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ("none.json", "--then: got 'none.json'; allowed: a file that can be read"),
        ("torn.json", "--then: body: got '{'; allowed: valid JSON"),
        ("wrong.json", "--then: tires: got []; allowed: only documented fields"),
    ],
)
def test_limits_that_cannot_be_tried_are_refused(then: str, words: str) -> None:
    assert words in refusal("what-if", "trace.csv", "--now", "limits.json", "--then", then)


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_replayed() -> None:
    words = refusal("simulate", "trace.csv", "--report", "nowhere/report.html")

    assert words.startswith("--report: got 'nowhere/report.html'")
