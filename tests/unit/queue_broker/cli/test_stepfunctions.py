from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headgate.errors import InvalidInput
from queue_broker.cli.stepfunctions import app

INBOX = "https://sqs.us-east-1.amazonaws.com/123456789012/inbox"
STATE = {
    "Type": "Task",
    "Resource": "arn:aws:states:::batch:submitJob.sync",
    "Parameters": {"JobName": "j", "JobQueue": "q", "JobDefinition": "d"},
    "End": True,
}


def rewrite(file: Path, *more: str) -> tuple[str, str]:
    """What is printed, and what is told beside it."""
    arguments = ["rewrite", str(file), "--queue-url", INBOX, *more]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


def test_the_definition_is_printed_and_the_changes_are_told_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "flow.json"
    file.write_text(json.dumps({"StartAt": "run", "States": {"run": STATE}}))
    printed, _ = rewrite(file)
    assert json.loads(printed)["States"]["run"]["Parameters"]["QueueUrl"] == INBOX
    rewrite(file, "--output", str(tmp_path / "out.json"))
    assert json.loads((tmp_path / "out.json").read_text()) == json.loads(printed)


@pytest.mark.parametrize("content", ["", "[]", "{", "{}"])
def test_a_file_that_is_no_state_machine_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "flow.json"
    file.write_text(content)
    with pytest.raises(InvalidInput):
        rewrite(file)


@pytest.mark.parametrize("url", ["inbox", "arn:aws:sqs:eu-central-1:1:inbox", f"{INBOX}.fifo"])
def test_an_inbox_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    file = tmp_path / "flow.json"
    file.write_text(json.dumps({"StartAt": "run", "States": {"run": STATE}}))
    with pytest.raises(InvalidInput, match="--queue-url"):
        rewrite(file, "--queue-url", url)


def test_a_definition_without_batch_is_said_to_be_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "flow.json"
    file.write_text(json.dumps({"States": {"run": {"Type": "Pass", "End": True}}}))
    assert "Nothing was changed" in rewrite(file)[1]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="FILE"):
        rewrite(tmp_path / "none.json")
