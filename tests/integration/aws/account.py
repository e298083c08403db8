"""An AWS account whose containers are real processes behind Batch's protocol, and a broker."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from headgate.job import Job
from headgate.resources import ResourceRequest
from queue_broker.adapters.engines.local.engine import LocalEngine, LocalSettings
from queue_broker.broker import Broker
from queue_broker.records import Attempt, HandOver, JobId, JobRecord, Leak, Submission
from tests.integration.aws.broker import broker
from tests.integration.aws.stand_in import StandIn, make_lane, quick, speak

DEADLINE_S = 30.0


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
        self.machine = Containers(local, lambda leak, task: leak.job.parameters)
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
