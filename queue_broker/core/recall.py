"""What a new leader reads back of run times: its predecessor's measurements died with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headgate.lifecycle import Cause, State
from queue_broker.core.ledger import ENOUGH_MEASURED, Ledger
from queue_broker.ports import Reader
from queue_broker.records import Leak

#: Groups that are asked about: each takes some ten reads, and production waits meanwhile.
MOST_GROUPS = 32
#: A group's tasks go lowest index first, so that those just below a leak went just before it.
NEIGHBOURS = 64


def recall(ledger: Ledger, leaks: Sequence[Leak], reader: Reader) -> None:
    """Measure anew what runs in open leaks, by their kin that have ended."""
    one_each = {leak.group_id: leak for leak in leaks if leak.array}
    for leak in list(one_each.values())[-MOST_GROUPS:]:
        for runtime_s in kin_took_s(leak, reader):
            ledger.measure(leak, runtime_s)


def kin_took_s(leak: Leak, reader: Reader) -> Iterator[float]:
    """Run times of a few tasks of the leak's job that were given as much, and ended well."""
    first = max(-1, leak.tasks.min() - NEIGHBOURS)
    ended = reader.tasks_in(leak.job_id, State.SUCCEEDED, first, NEIGHBOURS)
    for task in ended[-2 * ENOUGH_MEASURED :]:
        for attempt in reader.attempts(leak.job_id, task):
            alike = attempt.allocation == leak.allocation and attempt.cause is Cause.EXITED
            if alike and attempt.started_at_s is not None and attempt.stopped_at_s is not None:
                yield attempt.stopped_at_s - attempt.started_at_s
