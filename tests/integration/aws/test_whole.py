"""Arrays that the shim cannot go around: handed to AWS Batch whole, and tried again by it alone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from headgate.job import EvaluateOnExit, Job, RetryStrategy
from headgate.lifecycle import State
from headgate.resources import ResourceRequest, Resources
from queue_broker.adapters.engines.aws.clients import Clients
from queue_broker.adapters.engines.instant import InstantEngine, Outcome
from queue_broker.records import JobId, JobRecord, Lane, Leak, Submission, Tasks
from tests.integration.aws.broker import broker
from tests.integration.aws.stand_in import LANE, StandIn, make_lane, quick, speak

TASKS = 40
JOB = JobId("array")
ONCE = RetryStrategy()
DEADLINE_S = 30.0


def ran(
    folder: Path,
    outcomes: Sequence[Outcome],
    strategy: RetryStrategy = ONCE,
    cancelled: Iterable[int] = (),
) -> tuple[JobRecord, int]:
    """What became of an array of which child 3 ends like this, try by try, and some are cancelled
    before it goes; and how often AWS Batch was asked to take a job."""
    tries = Counter[str]()

    def script(leak: Leak) -> Mapping[int, Outcome]:
        """Inside AWS Batch."""
        if 3 not in leak.tasks or tries["3"] >= len(outcomes):
            return {}
        tries["3"] += 1
        return {3: outcomes[tries["3"] - 1]}

    local = Lane(LANE, Resources(64, 65_536))
    inside = InstantEngine([local], time.time, script=script)
    ours, theirs = folder / "ours", folder / "batch"
    ours.mkdir()
    theirs.mkdir()
    stand_in = StandIn(f"sqlite:///{theirs / 'its.db'}", theirs, inside)
    try:
        found = carried_out(ours, speak(quick(stand_in.open())), strategy, Tasks(cancelled))
    finally:
        stand_in.close()
    return found, stand_in.between.calls["submitjob"]


def carried_out(
    folder: Path, clients: Clients, strategy: RetryStrategy, cancelled: Tasks
) -> JobRecord:
    make_lane(clients.batch)
    one = broker(f"sqlite:///{folder / 'its.db'}", folder, clients)
    job = Job(
        name="bare",
        command=("work",),
        resources=ResourceRequest(vcpu=1, memory_mib=512),
        retry_strategy=strategy,
        tags={"headgate:shim": "off"},
    )
    one.store.add([Submission(JOB, job, "acme", "sweep", time.time(), "", TASKS, array=True)])
    one.store.cancel(JOB, cancelled, "not wanted")
    deadline = time.monotonic() + DEADLINE_S
    while not one.store.job(JOB).finished_at_s and time.monotonic() < deadline:
        one.lead()
    found = one.store.job(JOB)
    one.engine.close()
    one.store.close()
    return found


def test_a_child_that_fails_is_tried_again_by_batch_with_its_index(tmp_path: Path) -> None:
    job, submits = ran(tmp_path, [Outcome(exit_code=3)] * 2, RetryStrategy(attempts=3))
    assert (job.counts[State.SUCCEEDED], submits) == (TASKS, 1)


def test_a_child_that_fails_for_good_says_why_and_no_other_suffers(tmp_path: Path) -> None:
    rules = (EvaluateOnExit(action="EXIT", on_exit_code="3"),)
    strategy = RetryStrategy(attempts=3, evaluate_on_exit=rules)
    job, submits = ran(tmp_path, [Outcome(exit_code=3)], strategy)
    assert (job.counts[State.SUCCEEDED], job.counts[State.FAILED]) == (TASKS - 1, 1)
    assert submits == 1
    assert "only a whole array" in (job.reason or "")


def test_children_cancelled_before_the_array_has_gone_fail_and_no_other_suffers(
    tmp_path: Path,
) -> None:
    job, submits = ran(tmp_path, [], cancelled=[3, 17])
    assert (job.counts[State.SUCCEEDED], job.counts[State.FAILED]) == (TASKS - 2, 2)
    assert (job.reason, submits) == ("not wanted", 1)
