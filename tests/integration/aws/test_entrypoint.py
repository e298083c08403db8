"""Images whose ENTRYPOINT takes a command for arguments of its own: real processes behind Batch's
protocol, each begun by an ENTRYPOINT as containers are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.job import Job
from headgate.lifecycle import State
from queue_broker.adapters.engines.aws import reports, trials
from tests.integration.aws.account import Account

#: Runs its first argument as a script: of `/bin/sh -c ...` that is a shell with nothing to do.
SCRIPT = ("/bin/sh", "-c")
#: Runs its arguments.
RUNS_ALL = ("/usr/bin/env",)


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setattr(trials, "SURE_S", 1.0)
    monkeypatch.setattr(reports, "AGAIN_S", 0.1)
    made = Account(tmp_path)
    yield made
    made.close()


def test_what_an_entrypoint_did_nothing_of_has_not_succeeded_and_runs_as_it_is(
    account: Account, tmp_path: Path
) -> None:
    account.machine.entrypoint = SCRIPT
    job = account.run("train", f"echo done >>{tmp_path}/mark")

    assert job.counts[State.SUCCEEDED] == 1
    assert (tmp_path / "mark").read_text() == "done\n"
    first, second = account.attempts("train")
    assert "ENTRYPOINT" in (first.reason or "")
    assert (first.exit_code, second.exit_code) == (0, 0)


def test_the_next_jobs_of_that_image_go_as_they_are_at_once_also_after_a_restart(
    account: Account, tmp_path: Path
) -> None:
    account.machine.entrypoint = SCRIPT
    account.run("first", "true")
    account.restart()
    before = account.submitted()

    job = account.run("second", f"echo done >>{tmp_path}/mark")

    assert (job.counts[State.SUCCEEDED], account.submitted() - before) == (1, 1)
    assert account.attempts("second")[0].reason == "the image is known to run no usage shim"
    assert (tmp_path / "mark").read_text() == "done\n"


def test_an_array_of_such_an_image_goes_whole_so_that_each_child_has_its_index(
    account: Account, tmp_path: Path
) -> None:
    account.machine.entrypoint = SCRIPT
    job = account.run("array", f"echo $AWS_BATCH_JOB_ARRAY_INDEX >>{tmp_path}/mark", tasks=4)

    assert job.counts[State.SUCCEEDED] == 4
    assert sorted((tmp_path / "mark").read_text().split()) == ["0", "1", "2", "3"]


def test_an_entrypoint_that_runs_what_it_is_given_runs_the_shim_once(account: Account) -> None:
    account.machine.entrypoint = RUNS_ALL
    job = Job(name="train", command=("sh", "-c", "exit 3"))

    assert account.carried_out(job).counts[State.FAILED] == 1
    assert [one.exit_code for one in account.attempts("train")] == [3]
    assert account.submitted() == 1


def test_a_task_whose_report_alone_is_lost_does_not_run_again(
    account: Account, tmp_path: Path
) -> None:
    """Its shim's word is in the log. The shell that is killed here would have reported."""
    account.machine.entrypoint = RUNS_ALL
    kill = f"echo run >>{tmp_path}/mark; kill -KILL $PPID"
    account.carried_out(Job(name="train", command=("sh", "-c", kill)))

    assert (tmp_path / "mark").read_text() == "run\n"
    assert account.submitted() == 1
