"""FilterLogEvents: the events of several streams, merged by time, those that match a pattern."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from heapq import merge
from typing import Any

from queue_broker.wire import pages
from queue_broker.wire.attempts import ms
from queue_broker.wire.faults import Fault
from queue_broker.wire.log_groups import INVALID, asked_group, check_group
from queue_broker.wire.log_lines import Line
from queue_broker.wire.log_patterns import to_filter
from queue_broker.wire.log_streams import Stream, beginning, find
from queue_broker.wire.service import Answer, Call, Wire

#: CloudWatch's own bounds of one answer; an event weighs its message and some more.
MOST_EVENTS, MOST_BYTES, EVENT_BYTES = 10_000, 1 << 20, 26
#: Lines that are looked at for one page; it may then be short, or empty, with a token.
MOST_SCANNED = 100_000
#: The newest first is for times after this only: 2024-01-01 UTC.
BACKWARD_SINCE_MS = 1_704_067_200_000
#: A line that was still being written when its task ended is found so much later at most.
LATE_MS = 60_000
BAD_TOKEN = "The specified nextToken is invalid."  # noqa: S105

#: Where an event stands among all: its time, its stream, its line.
Key = tuple[int, str, int]


@dataclass(frozen=True, slots=True)
class Event:
    stream: Stream
    line: Line

    @property
    def key(self) -> Key:
        return self.line.at_ms, self.stream.name, self.line.number


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: which times, in which direction, from after which event on."""

    forward: bool
    start_ms: int
    end_ms: int | None
    after: Key | None

    @classmethod
    def of(cls, call: Call) -> Search:
        start, end, forward = call.get("startTime", 0), call.get("endTime"), True
        token, after = call.get("nextToken"), None
        if token is None:
            forward = call.get("startFromHead", True)
        else:
            forward, after = from_token(token)
        if not call.get("startFromHead", True) and start < BACKWARD_SINCE_MS:
            words = "startFromHead: got false; allowed: only with a startTime since 2024-01-01 UTC"
            raise Fault(words, INVALID)
        return cls(forward, start, end, after)

    def meets(self, stream: Stream, now_ms: int) -> bool:
        """Whether the stream may have an event that is looked for."""
        begun = self.end_ms is None or stream.started_ms <= self.end_ms
        return begun and stream.last_ms(now_ms) + LATE_MS >= self.start_ms

    def events(self, wire: Wire, stream: Stream, now_ms: int) -> Iterator[Event]:
        """A stream's, in order."""
        log = stream.log(wire, now_ms)
        since, until = self.start_ms, self.end_ms
        if self.forward:
            since = max(since, self.after[0]) if self.after else since
            lines = log.forward(wire.engine, since_ms=since)
        else:
            until = self.after[0] if self.after else until
            lines = log.backward(wire.engine, until_ms=until)
        for line in lines:
            if self.is_past(line):
                return
            event = Event(stream, line)
            if self.is_ahead(event):
                yield event

    def is_ahead(self, event: Event) -> bool:
        """Whether it was on no page yet."""
        if self.after is None:
            return True
        return event.key > self.after if self.forward else event.key < self.after

    def is_past(self, line: Line) -> bool:
        """Whether nothing that comes after it in its stream is looked for."""
        if self.forward:
            return self.end_ms is not None and line.at_ms > self.end_ms
        return line.at_ms < self.start_ms


def filter_events(wire: Wire, call: Call) -> Answer:
    group = asked_group(call)
    search, matches = Search.of(call), to_filter(call.get("filterPattern", ""))
    now_ms = ms(wire.clock())
    met = [one for one in chosen(wire, group, call) if search.meets(one, now_ms)]
    every = merge(
        *(search.events(wire, one, now_ms) for one in met),
        key=lambda one: one.key,
        reverse=not search.forward,
    )
    most, weight = call.get("limit", MOST_EVENTS), 0
    found: list[Event] = []
    last: Event | None = None
    for scanned, event in enumerate(every):
        if len(found) == most or weight > MOST_BYTES or scanned == MOST_SCANNED:
            return answer(found) | {"nextToken": to_token(search, last)}
        last = event
        if matches(event.line.text):
            found.append(event)
            weight += len(event.line.text.encode()) + EVENT_BYTES
    return answer(found)


def chosen(wire: Wire, group: str, call: Call) -> list[Stream]:
    names, prefix = call.get("logStreamNames"), call.get("logStreamNamePrefix")
    if names and prefix:
        words = "logStreamNames and logStreamNamePrefix; allowed: one of them"
        raise Fault(f"got {words}", INVALID)
    if names:
        return [find(wire, group, one) for one in dict.fromkeys(names)]
    check_group(wire, group)
    return beginning(wire, group, prefix or "")


def answer(found: list[Event]) -> Answer:
    """`searchedLogStreams` is no longer told by CloudWatch either."""
    return {"events": [to_event(one) for one in found], "searchedLogStreams": []}


def to_event(event: Event) -> Answer:
    at_ms, name, number = event.key
    digits = int.from_bytes(blake2b(f"{name}:{number}".encode(), digest_size=16).digest())
    return {
        "logStreamName": name,
        "timestamp": at_ms,
        "message": event.line.text,
        "ingestionTime": at_ms,
        "eventId": f"{digits:056d}",
    }


def to_token(search: Search, last: Event | None) -> str:
    return pages.to_token([search.forward, *(last.key if last else ())])


def from_token(token: str) -> tuple[bool, Key]:
    """The direction, and the last event of the page before."""
    found: Any = pages.decoded(token)
    match found:
        case [bool(forward), int(at_ms), str(name), int(number)]:
            return forward, (at_ms, name, number)
    raise Fault(BAD_TOKEN, INVALID)
