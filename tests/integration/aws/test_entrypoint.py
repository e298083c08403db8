"""Images whose ENTRYPOINT takes a command for arguments of its own: real processes behind Batch's
protocol, each begun by an ENTRYPOINT as containers are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from headgate.job import Job
from headgate.lifecycle import State
from headgate.resources import ResourceRequest
from queue_broker.adapters.engines.aws import reports, trials
from queue_broker.adapters.engines.local.engine import LocalEngine, LocalSettings
from queue_broker.broker import Broker
from queue_broker.records import Attempt, HandOver, JobId, JobRecord, Leak, Submission
from tests.integration.aws.broker import broker
from tests.integration.aws.stand_in import StandIn, make_lane, quick, speak

DEADLINE_S = 30.0
#: Runs its first argument as a script: of `/bin/sh -c ...` that is a shell with nothing to do.
SCRIPT = ("/bin/sh", "-c")
#: Runs its arguments.
RUNS_ALL = ("/usr/bin/env",)


class Containers(LocalEngine):
    """A machine whose only image has an ENTRYPOINT."""

    entrypoint: tuple[str, ...] = ()

    def hand_over(self, leaks: Sequence[Leak]) -> list[HandOver]:
        return super().hand_over([self.begun(leak) for leak in leaks])

    def begun(self, leak: Leak) -> Leak:
        command = (*self.entrypoint, *leak.job.command)
        return replace(leak, job=leak.job.model_copy(update={"command": command}))


class Account:
    """An AWS account, and a broker before it."""

    def __init__(self, folder: Path) -> None:
        theirs = folder / "batch"
        self.folder = folder / "ours"
        for one in (theirs, self.folder):
            one.mkdir()
        local = LocalSettings(theirs, cores=2, memory_mib=1024, grace_s=2, cgroups=False)
        self.machine = Containers(local, lambda leak, task: {})
        self.stand_in = StandIn(f"sqlite:///{theirs / 'its.db'}", theirs, self.machine)
        self.address = self.stand_in.open()
        make_lane(speak(quick(self.address)).batch)
        self.broker = self.start()

    def start(self) -> Broker:
        clients = speak(quick(self.address))
        url = f"sqlite:///{self.folder / 'its.db'}"
        return broker(url, self.folder, clients, report_wait_s=0.2)

    def restart(self) -> None:
        self.broker.engine.close()
        self.broker.store.close()
        self.broker = self.start()

    def run(self, name: str, script: str, tasks: int = 1) -> JobRecord:
        job = Job(name=name, command=(script,), resources=ResourceRequest(vcpu=1, memory_mib=64))
        return self.carried_out(job, tasks)

    def carried_out(self, job: Job, tasks: int = 1) -> JobRecord:
        at = JobId(job.name)
        given = (at, job, "acme", "sweep", time.time(), "")
        self.broker.store.add([Submission(*given, size=tasks, array=tasks > 1)])
        deadline = time.monotonic() + DEADLINE_S
        while not self.broker.store.job(at).finished_at_s and time.monotonic() < deadline:
            self.broker.lead()
            time.sleep(0.02)
        return self.broker.store.job(at)

    def attempts(self, name: str, task: int = 0) -> list[Attempt]:
        return self.broker.store.attempts(JobId(name), task)

    def submitted(self) -> int:
        return self.stand_in.between.calls["submitjob"]

    def close(self) -> None:
        self.broker.engine.close()
        self.broker.store.close()
        self.stand_in.close()


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
