"""CloudWatch Logs as far as Batch's clients need it: the streams of /aws/batch/job, read only.

For clients of the local engine (`AWS_ENDPOINT_URL_CLOUDWATCH_LOGS`); with AWS behind the broker,
logs are in CloudWatch itself. Lines carry the time at which their attempt started.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from headgate.errors import NotFound
from queue_broker.ports import Engine
from queue_broker.records import Attempt, LogPage, Standing
from queue_broker.wire.attempts import ms
from queue_broker.wire.check import checked
from queue_broker.wire.endings import place_of_stream, stream_of
from queue_broker.wire.faults import Fault
from queue_broker.wire.frame import framed, parsed, place_of, read
from queue_broker.wire.kept import page as paged
from queue_broker.wire.keys import Gatekeeper
from queue_broker.wire.model import load
from queue_broker.wire.names import Place
from queue_broker.wire.service import Answer, Call, Wire

GROUP = "/aws/batch/job"
PREFIX = "Logs_20140328."
#: CloudWatch's own bounds of one answer.
MOST_EVENTS, MOST_BYTES, MOST_STREAMS = 10_000, 1 << 20, 50
#: What Batch calls every bad request; CloudWatch has another word for it.
BATCHS = "ClientException"
#: DescribeLogStreams looks at the attempts of so many jobs, the newest.
MOST_JOBS = 500


@dataclass(frozen=True, slots=True)
class Stream:
    """One attempt's log. `leak` and `task` are what the engine knows it by."""

    leak: str
    task: int
    started_ms: int

    @classmethod
    def of(cls, attempt: Attempt) -> Stream:
        started_s = attempt.started_at_s or attempt.created_at_s
        return cls(attempt.leak, attempt.task, ms(started_s))


def route(wire: Wire, gatekeeper: Gatekeeper) -> Route:
    """POST / with a target: AWS's JSON 1.1 protocol."""

    async def answer(request: Request) -> Response:
        return await framed(request.url.path, run(wire, gatekeeper, request))

    return Route("/", answer, methods=["POST"], include_in_schema=False)


async def run(wire: Wire, gatekeeper: Gatekeeper, request: Request) -> Answer:
    asked = await read(request)
    caller = gatekeeper.caller(asked, changes=False)
    name = asked.headers.get("x-amz-target", "").removeprefix(PREFIX)
    handler = HANDLERS.get(name)
    if handler is None:
        words = f"got {name or 'nothing'}; allowed: {', '.join(sorted(HANDLERS))}"
        raise Fault(f"x-amz-target: {words}", "UnknownOperationException")
    shape = load("logs").operation_model(name).input_shape
    try:
        given = checked(shape, parsed(asked.body)) if shape is not None else {}
        call = Call(name, given, caller, place_of(asked.headers, wire.settings))
        return await run_in_threadpool(handler, wire, call)
    except Fault as fault:
        if fault.code != BATCHS:
            raise
        raise Fault(str(fault), "InvalidParameterException") from fault


def log_events(wire: Wire, call: Call) -> Answer:
    """Forward from the start or a token, or backward from the end or a token.

    A token is `f/` and where the engine reads on, or `b/` and the number of the line before which
    to read. At the end a token comes back as it was given, which is how clients know the end.
    """
    stream = find(wire, call)
    token, most = call.get("nextToken"), call.get("limit", MOST_EVENTS)
    if token is None and call.get("startFromHead", False):
        token = "f/"  # noqa: S105 - the beginning of the log
    if token is not None and token.startswith("f/"):
        return forward(wire.engine, stream, token, most)
    return backward(wire.engine, stream, token, most)


def forward(engine: Engine, stream: Stream, token: str, most: int) -> Answer:
    """One page. The end of a line that is still being written is left for the next."""
    after = token[2:] or None
    try:
        page = engine.logs(stream.leak, stream.task, after, MOST_BYTES)
        text = whole_lines(page, most)
        if text != page.text:
            page = engine.logs(stream.leak, stream.task, after, len(text.encode()))
    except NotFound:  # nothing was written yet
        return events(stream, [], token, "b/0")
    return events(stream, page.text.splitlines(), f"f/{page.next}" if page.text else token, "b/0")


def whole_lines(page: LogPage, most: int) -> str:
    """At most so many lines of a page, the last of them whole: by the line breaks of a terminal.

    Bytes that were no UTF-8 have no length any more; then the page is taken as it is.
    """
    lines = page.text.splitlines(keepends=True)
    if lines and not page.ended and not lines[-1].endswith(("\n", "\r")) and len(lines) > 1:
        lines.pop()
    return page.text if "\ufffd" in page.text else "".join(lines[:most])


def backward(engine: Engine, stream: Stream, token: str | None, most: int) -> Answer:
    """The last lines before the token's. The whole log is read for it, and little of it kept."""
    before = int(token[2:]) if token and token[2:].isdecimal() else None
    kept: deque[str] = deque(maxlen=most)
    count, after = 0, ""
    for page in all_pages(engine, stream):
        for line in page.text.splitlines():
            if before is None or count < before:
                kept.append(line)
                count += 1
        after = page.next
    return events(stream, list(kept), f"f/{after}", f"b/{count - len(kept)}")


def all_pages(engine: Engine, stream: Stream) -> Iterator[LogPage]:
    after: str | None = None
    while True:
        try:
            page = engine.logs(stream.leak, stream.task, after, MOST_BYTES)
        except NotFound:
            return
        yield page
        if not page.text or page.ended:
            return
        after = page.next


def events(stream: Stream, lines: list[str], following: str, before: str) -> Answer:
    at_ms = stream.started_ms
    told = [{"timestamp": at_ms, "message": line, "ingestionTime": at_ms} for line in lines]
    return {"events": told, "nextForwardToken": following, "nextBackwardToken": before}


def find(wire: Wire, call: Call) -> Stream:
    """The stream that is asked for; `Fault` when there is none."""
    check_group(call)
    known = stream_named(wire, call.get("logStreamName"))
    if known is None:
        raise Fault("The specified log stream does not exist.", "ResourceNotFoundException")
    return known[1]


def check_group(call: Call) -> None:
    group = call.get("logGroupName") or call.get("logGroupIdentifier", "")
    if group.rpartition("log-group:")[2].removesuffix(":*") != GROUP:
        raise Fault("The specified log group does not exist.", "ResourceNotFoundException")


def stream_named(wire: Wire, name: str) -> tuple[str, Stream] | None:
    """The stream of exactly that name."""
    place = place_of_stream(name)
    if place is None:
        return None
    job_id, task = place
    for one in wire.describer.standings([(job_id, task), (job_id, None)]):
        for known, stream in streams_of(one):
            if known == name:
                return known, stream
    return None


def streams_of(standing: Standing) -> list[tuple[str, Stream]]:
    return [(stream_of(standing, one), Stream.of(one)) for one in standing.attempts]


def log_streams(wire: Wire, call: Call) -> Answer:
    """The streams that begin so: one by its whole name, or those of the newest jobs."""
    check_group(call)
    prefix, by_time = call.get("logStreamNamePrefix", ""), call.get("orderBy") == "LastEventTime"
    if prefix and by_time:
        words = "Cannot order by LastEventTime with a logStreamNamePrefix."
        raise Fault(words, "InvalidParameterException")
    exact = stream_named(wire, prefix)
    found = [exact] if exact else newest(wire, prefix)
    found.sort(key=last_event if by_time else name, reverse=call.get("descending", False))
    told = [to_stream(call.place, *one) for one in found]
    return paged("logStreams", told, call, call.get("limit", MOST_STREAMS))


def name(stream: tuple[str, Stream]) -> str:
    return stream[0]


def last_event(stream: tuple[str, Stream]) -> tuple[int, str]:
    return stream[1].started_ms, stream[0]


def newest(wire: Wire, prefix: str) -> list[tuple[str, Stream]]:
    jobs = [(one.job_id, None) for one in wire.store.jobs(limit=MOST_JOBS) if not one.array]
    found = [pair for one in wire.describer.standings(jobs) for pair in streams_of(one)]
    return [pair for pair in found if pair[0].startswith(prefix)]


def to_stream(place: Place, named: str, stream: Stream) -> Answer:
    arn = f"{place.of('logs')}:log-group:{GROUP}:log-stream:{named}"
    times = ("creationTime", "firstEventTimestamp", "lastEventTimestamp", "lastIngestionTime")
    told: Answer = dict.fromkeys(times, stream.started_ms)
    return told | {"logStreamName": named, "arn": arn, "storedBytes": 0}


def log_groups(wire: Wire, call: Call) -> Answer:
    del wire
    if not GROUP.startswith(call.get("logGroupNamePrefix", "")):
        return {"logGroups": []}
    arn = f"{call.place.of('logs')}:log-group:{GROUP}"
    group = {"logGroupName": GROUP, "arn": f"{arn}:*", "logGroupArn": arn, "storedBytes": 0}
    return {"logGroups": [group]}


HANDLERS: dict[str, Callable[[Wire, Call], Answer]] = {
    "DescribeLogGroups": log_groups,
    "DescribeLogStreams": log_streams,
    "GetLogEvents": log_events,
}
