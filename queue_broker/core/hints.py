"""What a job asks of the gate through its tags, which every client can set, boto3's too.

headgate:gang                   true: all waiting tasks start together on one lane, or none
headgate:start-by               Unix seconds: goes first within its tenant as the time draws near
headgate:checkpoints            true: loses little when it is stopped, so it is stopped first
headgate:max-running            tasks of the job in flight at once
headgate:max-starts-per-minute  tasks of the job started in any minute
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from headgate.errors import InvalidInput
from headgate.job import Job
from queue_broker.core.intents import MAX_LEAK

PREFIX = "headgate:"
GANG = PREFIX + "gang"
START_BY = PREFIX + "start-by"
CHECKPOINTS = PREFIX + "checkpoints"
MAX_RUNNING = PREFIX + "max-running"
MAX_STARTS = PREFIX + "max-starts-per-minute"
ALL = frozenset({GANG, START_BY, CHECKPOINTS, MAX_RUNNING, MAX_STARTS})


@dataclass(frozen=True, slots=True)
class Hints:
    """The tags as values; None where there is no such wish."""

    gang: bool = False
    start_by_s: float | None = None
    checkpoints: bool = False
    max_running: int | None = None
    max_starts_per_minute: int | None = None


NONE = Hints()


def read_hints(job: Job) -> Hints:
    """A job's wishes; `InvalidInput` names the tag that makes no sense."""
    if job.tags.keys().isdisjoint(ALL):
        return NONE
    tags = job.tags
    return Hints(
        gang=truth(tags, GANG),
        start_by_s=moment(tags),
        checkpoints=truth(tags, CHECKPOINTS),
        max_running=count(tags, MAX_RUNNING),
        max_starts_per_minute=count(tags, MAX_STARTS),
    )


def check_hints(job: Job, tasks: int) -> None:
    """Before a job of so many tasks is taken: `InvalidInput` names the tag that makes no sense."""
    if read_hints(job).gang and tasks > MAX_LEAK:
        allowed = f"at most {MAX_LEAK:,} tasks, since a gang starts as one array job"
        raise InvalidInput.of(f"tags.{GANG}", f"true for {tasks:,} tasks", allowed)


def hints_of(job: Job) -> Hints:
    """As `read_hints`, but a job that was stored before its tags were checked has no wishes."""
    try:
        return read_hints(job)
    except InvalidInput:
        return NONE


def truth(tags: dict[str, str], tag: str) -> bool:
    word = tags.get(tag, "false").lower()
    if word not in ("true", "false"):
        raise InvalidInput.of(f"tags.{tag}", tags[tag], "true or false")
    return word == "true"


def count(tags: dict[str, str], tag: str) -> int | None:
    word = tags.get(tag)
    if word is None:
        return None
    if not word.isdecimal() or int(word) == 0:
        raise InvalidInput.of(f"tags.{tag}", word, "a whole number, 1 at the least")
    return int(word)


def moment(tags: dict[str, str]) -> float | None:
    word = tags.get(START_BY)
    if word is None:
        return None
    try:
        at_s = float(word)
    except ValueError:
        at_s = math.nan
    if not math.isfinite(at_s) or at_s < 0:
        raise InvalidInput.of(f"tags.{START_BY}", word, "seconds since the Unix epoch")
    return at_s
