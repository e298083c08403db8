"""The log streams, one an attempt: DescribeLogStreams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from headgate.lifecycle import State
from queue_broker.records import Attempt, JobId, Standing
from queue_broker.wire import multinode
from queue_broker.wire.attempts import ms
from queue_broker.wire.endings import place_of_stream, stream_of
from queue_broker.wire.faults import Fault
from queue_broker.wire.kept import page as paged
from queue_broker.wire.log_groups import (
    GROUP,
    INVALID,
    MOST_JOBS,
    NOT_FOUND,
    asked_group,
    check_group,
    group_of,
)
from queue_broker.wire.log_lines import Log
from queue_broker.wire.names import Place
from queue_broker.wire.service import Answer, Call, Wire

MOST_STREAMS = 50
#: DescribeLogStreams and FilterLogEvents look at the attempts of the newest jobs, and of so many
#: children of the newest arrays among them.
MOST_ARRAYS, MOST_CHILDREN = 20, 500
WITH_LOGS = (State.RUNNING, State.FAILED, State.SUCCEEDED)

#: A job, or a child of an array.
Which = tuple[JobId, int | None]


@dataclass(frozen=True, slots=True)
class Stream:
    """One attempt's log. `leak` and `task` are what the engine knows it by."""

    group: str  #: that its job names
    name: str
    leak: str
    task: int
    started_ms: int
    ended_ms: int | None  #: None while it runs

    @classmethod
    def of(cls, standing: Standing, attempt: Attempt) -> Stream:
        started_ms = ms(attempt.started_at_s or attempt.created_at_s)
        ended = attempt.stopped_at_s
        return cls(
            group=group_of(standing.record.job),
            name=stream_of(standing, attempt),
            leak=attempt.leak,
            task=attempt.task,
            started_ms=started_ms,
            ended_ms=None if ended is None else ms(ended),
        )

    def is_in(self, group: str) -> bool:
        return group in (GROUP, self.group)

    def last_ms(self, now_ms: int) -> int:
        """Nothing is written after that."""
        return max(now_ms if self.ended_ms is None else self.ended_ms, self.started_ms)

    def log(self, wire: Wire, now_ms: int) -> Log:
        """The log, with all that is in it by now."""
        found = wire.logs.of(self.leak, self.task, self.started_ms)
        found.read_on(wire.engine, self.last_ms(now_ms))
        return found


def find(wire: Wire, group: str, name: str) -> Stream:
    """The stream of exactly that name in a group; `Fault` when there is none."""
    known = stream_named(wire, name)
    if known is None or not known.is_in(group):
        check_group(wire, group)
        raise Fault("The specified log stream does not exist.", NOT_FOUND)
    return known


def stream_named(wire: Wire, name: str) -> Stream | None:
    place = place_of_stream(name)
    if place is None:
        return None
    job_id, task = place
    for one in wire.describer.standings([(job_id, task), (job_id, None)]):
        for known in streams_of(one):
            if known.name == name:
                return known
    return None


def streams_of(standing: Standing) -> list[Stream]:
    told = multinode.every(standing) or [standing]
    return [Stream.of(one, attempt) for one in told for attempt in one.attempts]


def log_streams(wire: Wire, call: Call) -> Answer:
    """The streams that begin so: one by its whole name, or those of the newest jobs."""
    group = asked_group(call)
    check_group(wire, group)
    prefix, by_time = call.get("logStreamNamePrefix", ""), call.get("orderBy") == "LastEventTime"
    if prefix and by_time:
        raise Fault("Cannot order by LastEventTime with a logStreamNamePrefix.", INVALID)
    now_ms = ms(wire.clock())

    def place(one: Stream) -> tuple[int, str]:
        return one.last_ms(now_ms) if by_time else 0, one.name

    found = sorted(beginning(wire, group, prefix), key=place, reverse=call.get("descending", False))
    told = [to_stream(call.place, group, one, now_ms) for one in found]
    return paged("logStreams", told, call, call.get("limit", MOST_STREAMS))


def beginning(wire: Wire, group: str, prefix: str) -> list[Stream]:
    """The group's stream of that name, else those of the newest jobs whose names begin so."""
    exact = stream_named(wire, prefix)
    if exact is not None and exact.is_in(group):
        return [exact]
    newest = wire.store.jobs(limit=MOST_JOBS)
    wanted: list[Which] = [(one.job_id, None) for one in newest if not one.array]
    wanted += children(wire, [one.job_id for one in newest if one.array][:MOST_ARRAYS])
    found = [one for standing in wire.describer.standings(wanted) for one in streams_of(standing)]
    return [one for one in found if one.name.startswith(prefix) and one.is_in(group)]


def children(wire: Wire, arrays: Sequence[JobId]) -> list[Which]:
    """Those of these arrays that have logs; first what runs, then what failed."""
    found: list[Which] = []
    for state, job_id in product(WITH_LOGS, arrays):
        if left := MOST_CHILDREN - len(found):
            found += [(job_id, one) for one in wire.store.tasks_in(job_id, state, -1, left)]
    return found


def to_stream(place: Place, group: str, stream: Stream, now_ms: int) -> Answer:
    arn = f"{place.of('logs')}:log-group:{group}:log-stream:{stream.name}"
    first = dict.fromkeys(("creationTime", "firstEventTimestamp"), stream.started_ms)
    last = dict.fromkeys(("lastEventTimestamp", "lastIngestionTime"), stream.last_ms(now_ms))
    return {**first, **last, "logStreamName": stream.name, "arn": arn, "storedBytes": 0}
