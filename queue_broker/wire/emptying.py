"""DeleteJobQueue: "all jobs in the queue are eventually terminated when you delete a job queue"."""

from __future__ import annotations

from headgate.lifecycle import FINISHED, State
from queue_broker.records import Listing
from queue_broker.wire.jobs import MOST_LISTED, every
from queue_broker.wire.queues import to_delete
from queue_broker.wire.service import Answer, Call, Wire
from queue_broker.wire.stopping import stop

REASON = "the job queue was deleted"


def delete_queue(wire: Wire, call: Call) -> Answer:
    """Its jobs first: a broker that dies between is asked again, and goes on where it was."""
    found = to_delete(wire, call.get("jobQueue"))
    if found is not None:
        stop_all(wire, call, found.name)
        wire.shelf.remove(found)
    return {}


def stop_all(wire: Wire, call: Call, queue: str) -> None:
    """In the order of a job's states, so that none is passed over by moving on. `Forbidden` where
    one of them is another tenant's."""
    for state in State:
        if state in FINISHED:
            continue
        for one in every(wire, Listing(queue=queue, state=state, limit=MOST_LISTED)):
            wire.submitter.allow(call.caller, one.tenant)
            stop(wire, one.job_id, None, REASON)
