"""CreateLogGroup and DeleteLogGroup, for clients that make a group before jobs log into it."""

from __future__ import annotations

from headgate.errors import Conflict
from queue_broker.records import Document
from queue_broker.wire.attempts import ms
from queue_broker.wire.faults import Fault
from queue_broker.wire.log_groups import INVALID, MADE, NO_GROUP, NOT_FOUND, STANDARD, with_logs
from queue_broker.wire.service import Answer, Call, Wire

EXISTS = "ResourceAlreadyExistsException"
HAVE_LOGS = "got a group that jobs have logs in; allowed: one that has none"
#: What a log here has for certain, or not at all.
ONLY = {"kmsKeyId": None, "logGroupClass": STANDARD}


def create_group(wire: Wire, call: Call) -> Answer:
    """An empty group, which is all that a client needs to have logs put there."""
    name = call.get("logGroupName")
    for member, allowed in ONLY.items():
        if call.get(member) not in (None, allowed):
            words = f"{member}: got {call.get(member)!r}; allowed: {allowed or 'none'}"
            raise Fault(words, INVALID)
    try:
        if name in with_logs(wire):
            raise Conflict(name)
        wire.shelf.put(Document(MADE, name, {"creationTime": ms(wire.clock())}))
    except Conflict:
        raise Fault("The specified log group already exists", EXISTS) from None
    return {}


def delete_group(wire: Wire, call: Call) -> Answer:
    """One without logs: those of jobs go with their jobs."""
    name = call.get("logGroupName")
    if name in with_logs(wire):
        raise Fault(f"logGroupName: {HAVE_LOGS}", INVALID)
    found = wire.shelf.get(MADE, name)
    if found is None:
        raise Fault(NO_GROUP, NOT_FOUND)
    wire.shelf.remove(found)
    return {}
