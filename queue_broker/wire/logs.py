"""CloudWatch Logs as far as Batch's clients need it: the streams of jobs, which are only read, and
the groups that they are in.

For clients of the local engine (`AWS_ENDPOINT_URL_CLOUDWATCH_LOGS`); with AWS behind the broker,
logs are in CloudWatch itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from queue_broker.wire.attempts import ms
from queue_broker.wire.check import checked
from queue_broker.wire.faults import Fault
from queue_broker.wire.frame import framed, parsed, place_of, read
from queue_broker.wire.keys import LOGS, Gatekeeper
from queue_broker.wire.log_filter import (
    BAD_TOKEN,
    EVENT_BYTES,
    MOST_BYTES,
    MOST_EVENTS,
    filter_events,
)
from queue_broker.wire.log_groups import INVALID, asked_group, log_groups
from queue_broker.wire.log_lines import Line
from queue_broker.wire.log_streams import find, log_streams
from queue_broker.wire.made_groups import create_group, delete_group
from queue_broker.wire.model import load
from queue_broker.wire.service import Answer, Call, Wire

PREFIX = "Logs_20140328."
#: What Batch calls bad requests; CloudWatch has another word for them.
BATCHS = {"ClientException", "BadRequestException"}
TOKEN = re.compile(r"(?P<way>[fb])/(?P<number>[0-9]{1,18})")


def route(wire: Wire, gatekeeper: Gatekeeper) -> Route:
    """POST / with a target: AWS's JSON 1.1 protocol."""

    async def answer(request: Request) -> Response:
        return await framed(request.url.path, run(wire, gatekeeper, request))

    return Route("/", answer, methods=["POST"], include_in_schema=False)


async def run(wire: Wire, gatekeeper: Gatekeeper, request: Request) -> Answer:
    asked = await read(request)
    name = asked.headers.get("x-amz-target", "").removeprefix(PREFIX)
    caller = gatekeeper.caller(asked, changes=name in CHANGES, service=LOGS)
    handler = (HANDLERS | CHANGES).get(name)
    if handler is None:
        words = f"got {name or 'nothing'}; allowed: {', '.join(sorted(HANDLERS | CHANGES))}"
        raise Fault(f"x-amz-target: {words}", "UnknownOperationException")
    shape = load("logs").operation_model(name).input_shape
    try:
        given = checked(shape, parsed(asked.body)) if shape is not None else {}
        call = Call(name, given, caller, place_of(asked.headers, wire.settings))
        return await run_in_threadpool(handler, wire, call)
    except Fault as fault:
        if fault.code not in BATCHS:
            raise
        raise Fault(str(fault), INVALID) from fault


def log_events(wire: Wire, call: Call) -> Answer:
    """Forward from the start or a token, or backward from the end or a token.

    A token is `f/` or `b/` and the number of the line from which, or before which, to read. At the
    end a token comes back as it was given, which is how clients know the end.
    """
    stream = find(wire, asked_group(call), call.get("logStreamName"))
    token, log = call.get("nextToken"), stream.log(wire, ms(wire.clock()))
    if token is None and call.get("startFromHead", False):
        token = "f/0"  # noqa: S105 - the beginning of the log
    forward, number = from_token(token) if token is not None else (False, None)
    if forward:
        lines = log.forward(wire.engine, number or 0, call.get("startTime", 0))
        return told(page(call, lines), (number or 0, number or 0))
    end_ms = call.get("endTime")
    lines = log.backward(wire.engine, number, None if end_ms is None else end_ms - 1)
    around = log.count if number is None else number
    return told(page(call, lines)[::-1], (around, around))


def page(call: Call, lines: Iterable[Line]) -> list[Line]:
    """Those of the times asked for, as many as one answer may hold."""
    start_ms, end_ms = call.get("startTime", 0), call.get("endTime")
    found: list[Line] = []
    weight = 0
    for line in lines:
        weight += len(line.text.encode()) + EVENT_BYTES
        late = end_ms is not None and line.at_ms >= end_ms
        if len(found) == call.get("limit", MOST_EVENTS) or late or line.at_ms < start_ms:
            break
        if found and weight > MOST_BYTES:
            break
        found.append(line)
    return found


def told(lines: list[Line], around: tuple[int, int]) -> Answer:
    """`around`: the numbers before and after the page, where it has no lines."""
    before, after = (lines[0].number, lines[-1].number + 1) if lines else around
    events = [
        {"timestamp": one.at_ms, "message": one.text, "ingestionTime": one.at_ms} for one in lines
    ]
    return {"events": events, "nextForwardToken": f"f/{after}", "nextBackwardToken": f"b/{before}"}


def from_token(token: str) -> tuple[bool, int]:
    """Whether it leads forward, and the number of the line."""
    found = TOKEN.fullmatch(token)
    if found is None:
        raise Fault(BAD_TOKEN, INVALID)
    return found["way"] == "f", int(found["number"])


CHANGES: dict[str, Callable[[Wire, Call], Answer]] = {
    "CreateLogGroup": create_group,
    "DeleteLogGroup": delete_group,
}
HANDLERS: dict[str, Callable[[Wire, Call], Answer]] = {
    "DescribeLogGroups": log_groups,
    "DescribeLogStreams": log_streams,
    "FilterLogEvents": filter_events,
    "GetLogEvents": log_events,
}
