"""What AWS says of where attempts run: what CloudWatch calls their logs, nobody else can say.

Asked once for each attempt that has begun, as its job is described: a name never changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from headgate.errors import UpstreamRefused
from queue_broker.nodes import nodes_of
from queue_broker.ports import Upstream
from queue_broker.records import Attempt, Standing
from queue_broker.wire import multinode
from queue_broker.wire.service import Answer, Wire

TOLD = (
    *("logStreamName", "logConfiguration", "taskArn", "containerInstanceArn"),
    "networkInterfaces",
)
#: DescribeJobs takes a hundred ids.
MOST_DESCRIBED = 100


def whereabouts(wire: Wire, standings: Sequence[Standing]) -> Mapping[str, Answer] | None:
    """By the engine's ids, as far as it is known yet; None where the broker itself runs jobs."""
    if wire.upstream is None:
        return None
    begun = dict(begun_in(standings))
    known = wire.whereabouts.known(begun)
    unknown = [child for child in begun if child not in known]
    fresh = dict(asked(wire.upstream, unknown))
    final = {child: one for child, one in fresh.items() if is_final(one, begun[child])}
    wire.whereabouts.keep(final)
    return known | fresh


def of_one(standing: Standing, known: Mapping[str, Answer]) -> Mapping[str, Answer]:
    """What is known of the attempts of one."""
    children = (engine_id(standing, one) for one in standing.attempts)
    return {child: known[child] for child in children if child in known}


def located(standing: Standing, where: Mapping[str, Answer]) -> Standing:
    """The same, its attempts with what AWS says of them."""
    attempts = (
        replace(one, where=where.get(engine_id(standing, one), {})) for one in standing.attempts
    )
    return replace(standing, attempts=tuple(attempts))


def engine_id(standing: Standing, attempt: Attempt) -> str:
    """AWS's own of an attempt; a job of several nodes is where its main node is."""
    nodes = nodes_of(standing.record) if standing.node is None else None
    whose = f"{multinode.MARK}{nodes.main}" if nodes else ""
    return f"{attempt.child}{whose}" if attempt.child else ""


def begun_in(standings: Sequence[Standing]) -> Iterator[tuple[str, Attempt]]:
    for standing in standings:
        for one in standing.attempts:
            if one.child is not None and one.started_at_s is not None:
                yield engine_id(standing, one), one


def asked(upstream: Upstream, children: Sequence[str]) -> Iterator[tuple[str, Answer]]:
    """What AWS has forgotten has nothing; while it cannot be asked, nobody has: it is left out."""
    for start in range(0, len(children), MOST_DESCRIBED):
        some = list(children[start : start + MOST_DESCRIBED])
        try:
            answer = upstream.call("DescribeJobs", {"jobs": some})
        except UpstreamRefused:
            return
        found = {one["jobId"]: one.get("container", {}) for one in answer["jobs"]}
        for child in some:
            box = found.get(child, {})
            yield child, {name: box[name] for name in TOLD if name in box}


def is_final(told: Answer, attempt: Attempt) -> bool:
    return "logStreamName" in told or attempt.cause is not None
