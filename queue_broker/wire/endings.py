"""How an attempt ended, and what holds what waits, in AWS Batch's words: clients look for them to
decide what to retry, or what to wait for no longer."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from headgate.lifecycle import FINISHED, Cause, State
from queue_broker.core import endings
from queue_broker.core.endings import container_reason
from queue_broker.records import DEPENDENCY_FAILED, FITS_NO_LANE, Attempt, JobId, Standing
from queue_broker.wire.log_groups import prefix_of
from queue_broker.wire.names import Place
from queue_broker.wire.service import Answer

#: AWS's code of what no instance of a queue is large enough for, and its words.
JOB_RESOURCE_REQUIREMENT = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"
TOO_MUCH = (
    f"{JOB_RESOURCE_REQUIREMENT} - The job resource requirement (vCPU/memory/GPU) is higher than "
    "that can be met by the CE(s) attached to the job queue."
)
ON_ECS = ("containerInstanceArn", "taskArn")
#: A UUID's text.
JOB_ID_LENGTH = 36


def last_ended(standing: Standing) -> Attempt | None:
    ended = [one for one in standing.attempts if one.cause is not None]
    return ended[-1] if ended and standing.state in FINISHED else None


def cancelled(standing: Standing) -> bool:
    """Whether somebody stopped it; what waited for a job that failed was stopped by nobody."""
    if standing.state is not State.FAILED or (standing.record.array and standing.task is None):
        return False
    last = last_ended(standing)
    if last is not None and standing.failure is None:
        return last.cause is Cause.CANCELLED
    return not (standing.failure or standing.record.reason or "").startswith(DEPENDENCY_FAILED)


def status_reason(standing: Standing) -> str | None:
    """What the service says of how it ended; while it waits, what holds it."""
    last = last_ended(standing)
    if standing.state is State.RUNNABLE:
        return held(standing.hold)
    if standing.failure is not None:
        return standing.failure
    if last is not None:
        return attempt_reason(last)
    return standing.record.reason if standing.state is State.FAILED else None


def held(hold: str | None) -> str | None:
    """What holds it; where no lane can ever have it, in AWS's words first."""
    return f"{TOO_MUCH} ({hold})" if fits_nowhere(hold) else hold


def fits_nowhere(hold: str | None) -> bool:
    """Whether no lane could hold it, were they all empty."""
    return hold is not None and hold.startswith(FITS_NO_LANE)


def exit_of(attempt: Attempt) -> Answer:
    """Exit code and reason, each only where there is one."""
    found: Answer = {}
    if attempt.exit_code is not None:
        found["exitCode"] = attempt.exit_code
    if attempt.cause is not None and (words := container_reason(attempt.cause, attempt.reason)):
        found["reason"] = words
    return found


def attempt_reason(attempt: Attempt) -> str:
    return endings.status_reason(attempt.cause or Cause.EXITED, attempt.reason)


def on_ecs(attempt: Attempt, place: Place) -> Answer:
    """ECS's names; without AWS such as it gives, made of the attempt's own and its lane's."""
    if attempt.where is not None:
        return {name: attempt.where[name] for name in ON_ECS if name in attempt.where}
    task, instance = digest(f"{attempt.leak}:{attempt.task}"), digest(attempt.lane)
    where = place.of("ecs")
    return {
        "containerInstanceArn": f"{where}:container-instance/headgate/{instance}",
        "taskArn": f"{where}:task/headgate/{task}",
    }


@lru_cache(maxsize=4096)
def digest(words: str) -> str:
    """DescribeJobs needs each twice, and clients ask for the same jobs again and again."""
    return blake2b(words.encode(), digest_size=16).hexdigest()


def log_of(standing: Standing, attempt: Attempt) -> Answer:
    """Its log stream: CloudWatch's with AWS behind the broker, as soon as that is known."""
    if attempt.where is None:
        return {"logStreamName": stream_of(standing, attempt)}
    return {name: attempt.where[name] for name in ("logStreamName",) if name in attempt.where}


def stream_of(standing: Standing, attempt: Attempt) -> str:
    """The attempt's log stream: DEFINITION/default/LEAK-TASK, or with the prefix that it names.

    The first one of a job that is no array is DEFINITION/default/JOB: a name that people can say,
    and of a multi-node job its main node's; the tasks of its other nodes are their places.
    """
    record = standing.record
    name = prefix_of(record.job)
    if standing.task is None and not attempt.task and attempt.leak == f"{record.job_id}-1":
        return f"{name}/default/{record.job_id}"
    return f"{name}/default/{attempt.leak}-{attempt.task}"


def place_of_stream(name: str) -> tuple[JobId, int] | None:
    """The job whose attempt has a stream of this name, and its task; None when none can have."""
    last = name.rpartition("/")[2]
    if len(last) == JOB_ID_LENGTH:
        return JobId(last), 0
    leak, _, task = last.rpartition("-")
    if not (task.isascii() and task.isdecimal()):
        return None
    return JobId(leak.rpartition("-")[0]), int(task)
