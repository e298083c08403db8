"""Jobs that AWS Batch has and the broker does not: of before it came, or submitted past it since.

They are told as AWS tells them. To a client that polls, a job that is left out has vanished: it
fails, or waits for ever. What would change one is done for nobody who is bound to a tenant: of such
a job the broker knows no tenant, and its credentials may do more than the client's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from headgate.errors import Forbidden, InvalidInput, Throttled, UpstreamRefused
from headgate.lifecycle import FINISHED, State
from queue_broker.core.submit import Caller
from queue_broker.ports import Upstream
from queue_broker.wire import pages
from queue_broker.wire.kept import QUEUE
from queue_broker.wire.names import name_of
from queue_broker.wire.service import Answer, Call, Wire

#: Of a page's place: that the broker's own jobs are all told, and how far AWS's are.
AWS = "aws"
#: An error of AWS's own, not the request's.
SERVERS_FAULT = 500
#: A child or a node, as anybody may write it.
INDEXED = re.compile(r"([^:#]+[:#])0*([0-9]+)")
#: How the broker names its definitions on AWS, which it submits nothing without.
OF_LEAKS = r"{}-[0-9a-f]{{16}}"


def plain(given: str) -> str:
    """A job, a child or a node as ids are told, from that or from its ARN."""
    name = name_of(given)
    found = INDEXED.fullmatch(name)
    return f"{found[1]}{found[2]}" if found else name


def described(upstream: Upstream, ids: Sequence[str]) -> dict[str, Answer]:
    """Those that AWS has of these (up to a hundred), by id."""
    answer = ask(upstream, "DescribeJobs", {"jobs": list(ids)}) if ids else {"jobs": []}
    return {one["jobId"]: one for one in answer["jobs"]}


def parts_of(upstream: Upstream, call: Call, parent: str) -> Answer:
    """A page of the children or nodes of a job; `parent` is the member that names it."""
    return ask(upstream, "ListJobs", {**call.given, parent: plain(call.get(parent))})


def place_in_queue(call: Call) -> str | None:
    """AWS's own token, where a list of a queue has come to AWS's jobs."""
    token = call.get("nextToken")
    place = pages.decoded(token) if token else None
    found = place.get(AWS) if isinstance(place, dict) else None
    return found if isinstance(found, str) else None


def behind(wire: Wire, upstream: Upstream, call: Call, own: Answer, most: int) -> Answer:
    """The last page of the broker's own jobs in a queue, filled up with those that AWS has alone in
    its queue of that name."""
    shown: list[Answer] = own["jobSummaryList"]
    if len(shown) == most:
        return own | {"nextToken": pages.to_token({AWS: ""})}
    answer = in_queue(wire, upstream, call, "", most - len(shown))
    both = sorted(shown + answer["jobSummaryList"], key=lambda one: -one["createdAt"])
    return answer | {"jobSummaryList": both}


def in_queue(wire: Wire, upstream: Upstream, call: Call, after: str, most: int) -> Answer:
    """A page of what AWS has in its queue of that name, without the broker's leaks: they are told
    as the jobs that they run tasks of. Nothing where AWS has no such queue."""
    queue = name_of(call.get("jobQueue"), QUEUE)
    given = {**call.given, "jobQueue": queue, "maxResults": most, "nextToken": after}
    if not after:
        del given["nextToken"]
    try:
        answer = ask(upstream, "ListJobs", given)
    except UpstreamRefused as error:
        if after or error.aws_code != "ClientException":
            raise
        return {"jobSummaryList": []}
    found = [one for one in answer["jobSummaryList"] if not is_leak(wire, one)]
    more = answer.get("nextToken")
    return {"jobSummaryList": found} | ({"nextToken": pages.to_token({AWS: more})} if more else {})


def stop(wire: Wire, upstream: Upstream, call: Call, given: str) -> None:
    """CancelJob(s) and TerminateJob(s). What has ended, or nobody knows, is no error."""
    job_id = plain(given)
    found = described(upstream, [job_id]).get(job_id)
    if found is None or State(found["status"]) in FINISHED:
        return
    check_change(wire, call.caller, found)
    one = call.operation.removesuffix("s")
    ask(upstream, one, {"jobId": job_id, "reason": call.get("reason")})


def check_change(wire: Wire, caller: Caller, found: Answer) -> None:
    """`InvalidInput` of a leak, `Forbidden` unless the caller is bound to no tenant."""
    job_id = found["jobId"]
    if is_leak(wire, found):
        job = found["jobName"].rpartition("-")[0]
        raise InvalidInput(f"{job_id} runs tasks of the broker's own job {job}: name that one")
    if caller.tenant is not None:
        raise Forbidden(
            f"{job_id} was submitted to AWS Batch itself, not to this broker, which does not change"
            f" it for a key of tenant {caller.tenant!r}: ask AWS Batch, with credentials of AWS"
        )


def is_leak(wire: Wire, found: Answer) -> bool:
    """Whether a job of AWS's is one that this broker, or one that shares its lanes, submitted."""
    definition = name_of(found.get("jobDefinition", "")).partition(":")[0]
    pattern = OF_LEAKS.format(re.escape(wire.settings.aws.stack))
    return re.fullmatch(pattern, definition) is not None


def ask(upstream: Upstream, operation: str, given: Mapping[str, Any]) -> Answer:
    """AWS's answer, or its refusal. While it is away, `Throttled`: nobody can tell what there is,
    and that is the one error that clients wait out."""
    try:
        return upstream.call(operation, given)
    except UpstreamRefused as error:
        if error.status < SERVERS_FAULT:
            raise
        words = f"what the broker does not know, AWS cannot be asked for just now: {error}"
        raise Throttled(words) from error
