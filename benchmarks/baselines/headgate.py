"""Headgate's own predictor as a method of the protocol: through its public face, as the
broker uses it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.baselines.protocol import Task
from headgate.job import Input, Job
from headgate.lifecycle import Cause
from headgate.resources import ResourceRequest, Resources
from headgate.usage import Meter, Observation, Usage
from predictor.features import name_pattern
from predictor.predictor import Predictor

MIB = 2**20
MOST_MIB = 24 * 2**20
#: The largest lane, as large as EC2's largest instance; retries stay below it.
LARGEST = Resources(192.0, MOST_MIB, 0)


class Headgate:
    """One predictor, without a trained model: what it knows it learnt from the tasks it was shown.

    `inputs` says whether the size of the input is known at submission.
    """

    def __init__(self, inputs: bool = True, predictor: Predictor | None = None) -> None:
        self.inputs = inputs
        self.predictor = predictor or Predictor()

    def learn(self, task: Task, lost: Sequence[float] = ()) -> None:
        job = self.job(task)
        kills = [killed(job, task, math.floor(given / MIB)) for given in lost]
        self.predictor.observe([*kills, ended(job, task)])

    def first(self, task: Task) -> float:
        return self.predictor.estimate([self.job(task)])[0].allocation.memory_mib * MIB

    def again(self, task: Task, given: float) -> float:
        failed = killed(self.job(task), task, math.floor(given / MIB))
        return self.predictor.retry(failed, LARGEST).memory_mib * MIB

    def job(self, task: Task) -> Job:
        """The task as its owner would submit it."""
        size = int(task.input_bytes) if self.inputs and task.input_bytes > 0 else None
        return Job(
            name=name_of(task.process),
            command=("run", task.process),
            inputs=(Input(uri="s3://bucket/input", size_bytes=size),) if size else (),
            resources=ResourceRequest(memory_mib=request_mib(task)),
            tags={"step": task.process} | ({"sample": task.sample} if task.sample else {}),
        )


def request_mib(task: Task) -> int | None:
    """The request, if any; beyond the largest machine nobody can ask."""
    asked = round(min(task.requested_bytes / MIB, MOST_MIB))
    return max(1, asked) if task.requested_bytes > 0 else None


def name_of(process: str) -> str:
    """A process as a valid job name."""
    words = "".join(c if c.isalnum() or c in "_-" else "_" for c in name_pattern(process))
    return f"p{words}"[:128]


def ended(job: Job, task: Task) -> Observation:
    usage = Usage(task.runtime_ms / 1000, task.need_bytes / MIB, meter=Meter.IMPORTED)
    return Observation(job, usage, Cause.EXITED, 0, 1, task.complete_ms / 1000)


def killed(job: Job, task: Task, given_mib: int) -> Observation:
    usage = Usage(task.runtime_ms / 1000, float(given_mib), meter=Meter.IMPORTED)
    given = Resources(1.0, given_mib, 0)
    return Observation(job, usage, Cause.OUT_OF_MEMORY, 137, 1, task.complete_ms / 1000, given)
