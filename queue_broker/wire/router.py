"""Batch's operations as HTTP routes, all of them from the service's model.

A request is read, checked against the model, and let in; then it is the broker's own (jobs, and
without AWS everything else) or it is handed on to AWS as it is.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from queue_broker.asked import Asked
from queue_broker.wire import (
    consumables,
    definitions,
    emptying,
    environments,
    jobs,
    policies,
    queues,
    stopping,
    submit,
    tags,
)
from queue_broker.wire.check import checked
from queue_broker.wire.faults import Fault, refused
from queue_broker.wire.frame import framed, parsed, place_of, read, token
from queue_broker.wire.keys import Gatekeeper
from queue_broker.wire.limits import MAX_SUBMIT_BYTES
from queue_broker.wire.model import Operation, operations
from queue_broker.wire.names import parts
from queue_broker.wire.service import Answer, Call, Handler, Wire, Written

SUBMIT = "SubmitJob"
#: What clients call thousands of times a second.
BUSY = ("/v1/submitjob", "/v1/describejobs")
#: The broker's own, whatever stands behind it.
JOBS: dict[str, Handler] = {
    "CancelJob": stopping.cancel,
    "CancelJobs": stopping.cancel_many,
    "DescribeJobs": jobs.describe,
    "GetJobQueueSnapshot": jobs.snapshot,
    "ListJobs": jobs.list_jobs,
    "TerminateJob": stopping.terminate,
    "TerminateJobs": stopping.terminate_many,
}
#: The broker's own for jobs; of other things only where AWS does not stand behind it.
TAGS: dict[str, Handler] = {
    "ListTagsForResource": tags.list_tags,
    "TagResource": tags.tag,
    "UntagResource": tags.untag,
}
#: Those that the configuration names are there, whatever AWS knows.
MERGED: dict[str, Handler] = {
    "DescribeComputeEnvironments": environments.describe_environments,
    "DescribeJobQueues": queues.describe_queues,
}
#: Kept by the broker where AWS does not stand behind it.
KEPT: dict[str, Handler] = {
    "CreateComputeEnvironment": environments.create_environment,
    "CreateConsumableResource": consumables.create_resource,
    "CreateJobQueue": queues.create_queue,
    "CreateSchedulingPolicy": policies.create_policy,
    "DeleteComputeEnvironment": environments.delete_environment,
    "DeleteConsumableResource": consumables.delete_resource,
    "DeleteJobQueue": emptying.delete_queue,
    "DeleteSchedulingPolicy": policies.delete_policy,
    "DeregisterJobDefinition": definitions.deregister,
    "DescribeConsumableResource": consumables.describe_resource,
    "DescribeJobDefinitions": definitions.describe,
    "DescribeSchedulingPolicies": policies.describe_policies,
    "ListConsumableResources": consumables.list_resources,
    "ListSchedulingPolicies": policies.list_policies,
    "RegisterJobDefinition": definitions.register,
    "UpdateComputeEnvironment": environments.update_environment,
    "UpdateConsumableResource": consumables.update_resource,
    "UpdateJobQueue": queues.update_queue,
    "UpdateSchedulingPolicy": policies.update_policy,
}

#: Lists of what there is none of without AWS, and the member they stand in.
NONE_OF: dict[str, str] = {
    "DescribeServiceEnvironments": "serviceEnvironments",
    "ListQuotaShares": "quotaShares",
    "ListServiceJobs": "jobSummaryList",
}

#: Where the ARN stands in the path of the tags' operations.
TAGGED = "/v1/tags/"


def route(endpoints: Endpoints) -> Route:
    """One route for all operations: which there are is read from the model at the first call, so
    that a broker nobody speaks this protocol to starts without botocore."""
    methods = ["DELETE", "GET", "POST"]
    return Route("/v1/{path:path}", endpoints.answer, methods=methods, include_in_schema=False)


class Endpoints:
    """Finds the operation of a request."""

    def __init__(self, wire: Wire, gatekeeper: Gatekeeper) -> None:
        self._wire = wire
        self._gatekeeper = gatekeeper
        self._known: dict[tuple[str, str], Endpoint] = {}

    async def answer(self, request: Request) -> Response:
        async def work() -> Answer | Written:
            return await self._answer(await read(request))

        return await framed(request.scope["path"], work())

    async def express(self, asked: Asked) -> Response:
        """The same for a request that was read already."""
        return await framed(asked.path, self._answer(asked))

    async def _answer(self, asked: Asked) -> Answer | Written:
        return await self._find(asked).answer(asked)

    def _find(self, asked: Asked) -> Endpoint:
        """`HeadgateError` without botocore, `Fault` where there is no such operation."""
        path = f"{TAGGED}{{resourceArn}}" if asked.path.startswith(TAGGED) else asked.path
        self._known = self._known or {
            (one.method, one.path): Endpoint(self._wire, self._gatekeeper, one)
            for one in operations()
        }
        found = self._known.get((asked.method, path))
        if found is None:
            words = f"got {asked.method} {path}; allowed: an operation of AWS Batch"
            raise Fault(words, "UnknownOperationException", 404)
        return found


class Endpoint:
    """One operation, from the HTTP request to the HTTP answer."""

    def __init__(self, wire: Wire, gatekeeper: Gatekeeper, operation: Operation) -> None:
        self._wire = wire
        self._gatekeeper = gatekeeper
        self._operation = operation

    async def answer(self, asked: Asked) -> Answer | Written:
        if self._operation.name == SUBMIT:
            check_size(asked.body)
        caller = self._gatekeeper.caller(asked, changes=not self._operation.reads)
        given = members(self._operation, asked)
        place = place_of(asked.headers, self._wire.settings)
        call = Call(self._operation.name, given, caller, place, token(asked.headers))
        if call.operation == SUBMIT:
            definition = await self._definition(call)
            return await submit.submit(self._wire, call, definition)
        answer = await run_in_threadpool(dispatch, self._wire, call)
        if not self._operation.reads:
            self._wire.recent.forget()
        return answer

    async def _definition(self, call: Call) -> submit.Defined:
        """Read here from the broker's own shelf; AWS is far, and must not hold up the others."""
        if self._wire.upstream is None:
            return submit.definition_of(self._wire, call)
        return await run_in_threadpool(submit.definition_of, self._wire, call)


def check_size(body: bytes) -> None:
    if len(body) > MAX_SUBMIT_BYTES:
        got = -(-len(body) // 1024)
        raise refused(f"Job size must be less than {MAX_SUBMIT_BYTES // 1024} KiB, got {got} KiB")


def dispatch(wire: Wire, call: Call) -> Answer | Written:
    """The broker's own answer, or that of AWS behind it."""
    if handler := (JOBS | MERGED).get(call.operation):
        return handler(wire, call)
    if call.operation in TAGS and (wire.upstream is None or is_job(call)):
        return TAGS[call.operation](wire, call)
    if wire.upstream is not None:
        return wire.upstream.call(call.operation, call.given)
    if handler := KEPT.get(call.operation):
        return handler(wire, call)
    if member := NONE_OF.get(call.operation):
        return {member: []}
    words = "an operation that works without AWS Batch behind the broker"
    raise Fault(f"got {call.operation}; allowed: {words}")


def is_job(call: Call) -> bool:
    return parts(call.get("resourceArn"))[0] == tags.JOB


def members(operation: Operation, asked: Asked) -> dict[str, Any]:
    """The operation's input: members of the path, of the query, and of the JSON body; checked."""
    if operation.takes is None:
        return {}
    given: dict[str, Any] = dict(parsed(asked.body))
    for name, member in operation.beside_body.items():
        if member.serialization["location"] == "uri":
            given[name] = asked.path.removeprefix(TAGGED)
        elif values := asked.query.get(member.serialization.get("name", name)):
            given[name] = values if member.type_name == "list" else values[0]
    found: dict[str, Any] = checked(operation.takes, given)
    return found
