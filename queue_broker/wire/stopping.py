"""CancelJob(s) and TerminateJob(s). Idempotent; unknown ids are no error, as with AWS."""

from __future__ import annotations

from collections.abc import Callable

from headgate.errors import HeadgateError, InvalidInput
from headgate.lifecycle import FINISHED
from queue_broker.records import JobId, Standing, Tasks
from queue_broker.wire import elsewhere, multinode
from queue_broker.wire.detail import split_id
from queue_broker.wire.faults import to_fault
from queue_broker.wire.service import Answer, Call, Wire

#: Stops one job, or one child of an array.
Stop = Callable[[Wire, Call, str], None]


def cancel(wire: Wire, call: Call) -> Answer:
    cancel_one(wire, call, call.get("jobId"))
    return {}


def terminate(wire: Wire, call: Call) -> Answer:
    terminate_one(wire, call, call.get("jobId"))
    return {}


def cancel_many(wire: Wire, call: Call) -> Answer:
    return many(wire, call, cancel_one)


def terminate_many(wire: Wire, call: Call) -> Answer:
    return many(wire, call, terminate_one)


def many(wire: Wire, call: Call, stop: Stop) -> Answer:
    """Each by itself: those that may not be stopped are answered with the reason."""
    successful, errors = [], []
    for job in call.get("jobs"):
        try:
            stop(wire, call, job)
            successful.append(job)
        except HeadgateError as error:
            fault = to_fault(error)
            errors.append({"job": job, "code": fault.code, "message": str(fault)})
    return {"successful": successful, "errors": errors}


def terminate_one(wire: Wire, call: Call, given: str) -> None:
    """Whatever state it is in; what waits fails at once, what runs is stopped."""
    stop_one(wire, call, given, in_flight=True)


def cancel_one(wire: Wire, call: Call, given: str) -> None:
    """Only what has not started: SUBMITTED, PENDING or RUNNABLE."""
    stop_one(wire, call, given, in_flight=False)


def stop_one(wire: Wire, call: Call, given: str, *, in_flight: bool) -> None:
    found = find(wire, call, given)
    if found is None and wire.upstream is not None:
        elsewhere.stop(wire, wire.upstream, call, given)
    if found is not None and found.state not in FINISHED:
        tasks = None if found.task is None else Tasks([found.task])
        stop(wire, found.record.job_id, tasks, call.get("reason"), in_flight=in_flight)


def stop(
    wire: Wire, job_id: JobId, tasks: Tasks | None, reason: str, *, in_flight: bool = True
) -> None:
    wire.store.cancel(job_id, tasks, reason, in_flight=in_flight)
    wire.changed()


def find(wire: Wire, call: Call, given: str) -> Standing | None:
    """The job, if there is one; `Forbidden` where it is another tenant's."""
    if multinode.MARK in given and multinode.named(wire.describer, [given]):
        raise InvalidInput.of("job_id", given, "a job as a whole: its nodes end together")
    found = wire.describer.standings([split_id(given)])
    if not found:
        return None
    wire.submitter.allow(call.caller, found[0].record.tenant)
    return found[0]
