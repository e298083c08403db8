"""The parts of a broker, wired together."""

from __future__ import annotations

import asyncio
from pathlib import Path

from headgate.job import Job
from headgate.lifecycle import State
from headgate.resources import ResourceRequest
from headgate.sweep import Sweep
from queue_broker.core.submit import Caller
from queue_broker.main import build
from queue_broker.settings import Settings
from tests.contract.engines import wait_until


def test_who_waits_for_room_starts_when_a_task_ends_and_not_at_the_next_pass(
    tmp_path: Path,
) -> None:
    broker = build(Settings(data_dir=tmp_path, local_vcpu=1, cycle_period_s=60))
    job = Job(name="one-by-one", command=("sleep", "0.2"), resources=ResourceRequest(vcpu=1))
    broker.start()
    try:
        sweep = Sweep(job=job, size=3)
        accepted = asyncio.run(broker.submitter.submit(sweep, Caller()))

        def ended() -> int:
            return broker.store.job(accepted.job_id).counts.get(State.SUCCEEDED, 0)

        wait_until(lambda: ended() == 3)
    finally:
        broker.stop()
