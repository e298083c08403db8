"""Operations that tell of jobs: DescribeJobs, ListJobs, GetJobQueueSnapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pydantic_core import to_json

from headgate.errors import NotFound, UpstreamRefused
from headgate.lifecycle import State
from queue_broker.ports import Upstream
from queue_broker.records import JobId, JobRecord, Listing, Standing
from queue_broker.wire import definitions, details, elsewhere, multinode, pages, tags
from queue_broker.wire.attempts import ms
from queue_broker.wire.detail import full_id, split_id, to_summary
from queue_broker.wire.faults import Fault, refused
from queue_broker.wire.front import front
from queue_broker.wire.names import Place, name_and_revision, name_of
from queue_broker.wire.queues import known_queue
from queue_broker.wire.service import Answer, Call, Wire, Written
from queue_broker.wire.whereabouts import of_one, whereabouts

#: A page of ListJobs, and how many jobs a filter by definition looks at for one page.
MOST_LISTED, MOST_FILTERED, MOST_SCANNED = 1000, 100, 5000
#: How many jobs a snapshot of a queue's front holds.
FRONT = 100
SHARE = "SHARE_IDENTIFIER"


def describe(wire: Wire, call: Call) -> Written:
    """In the order asked. Ids that nobody knows are left out, as AWS leaves them out."""
    found = abouts(wire, call)
    written = details.write(wire.details, found)
    if wire.upstream is not None and len(found) < len(call.get("jobs")):
        written = with_others(wire.upstream, call, found, written)
    return Written(b'{"jobs":[%b]}' % b",".join(written))


def with_others(
    upstream: Upstream, call: Call, found: Sequence[details.About], written: Sequence[bytes]
) -> list[bytes]:
    """The same, and those that AWS alone has."""
    told = dict(zip((full_id(one.standing) for one in found), written, strict=True))
    asked = list(dict.fromkeys(map(elsewhere.plain, call.get("jobs"))))
    others = elsewhere.described(upstream, [one for one in asked if one not in told])
    told |= {job: to_json(one) for job, one in others.items()}
    return [told[one] for one in asked if one in told]


def abouts(wire: Wire, call: Call) -> list[details.About]:
    """All that is to be told of those jobs that the broker has."""
    given = call.get("jobs")
    found = standings(wire, [split_id(one) for one in given if multinode.MARK not in one])
    found += multinode.named(wire.describer, [one for one in given if multinode.MARK in one])
    names = frozenset(one.record.job.definition for one in found if one.record.job.definition)
    known = definitions_of(wire, names, call.place)
    ids = [full_id(one) for one in found]
    changed, places = tags.changed(wire, ids), whereabouts(wire, found)

    def about(one: Standing, job: str) -> details.About:
        definition = known.get(one.record.job.definition or "", {})
        where = None if places is None else of_one(one, places)
        return details.About(one, definition, changed.get(job), call.place, where)

    return [about(*one) for one in zip(found, ids, strict=True)]


def definitions_of(wire: Wire, names: frozenset[str], place: Place) -> Mapping[str, Answer]:
    """Of jobs, by `name:revision`. AWS is asked once for each; while it is away, what jobs tell of
    those that it was not asked for yet is left out: that they run, or have ended, is not."""
    if wire.upstream is None:
        return wire.recent.ask(definitions.of_jobs, wire.source, names, place)
    known = wire.definitions.known(names)
    unknown = names - known.keys()
    with suppress(UpstreamRefused):
        found = definitions.of_jobs(wire.source, unknown, place)
        known |= {name: found.get(name, {}) for name in unknown}
        wire.definitions.keep({name: known[name] for name in unknown})
    return known


def standings(wire: Wire, ids: Sequence[tuple[JobId, int | None]]) -> list[Standing]:
    return wire.describer.standings(list(dict.fromkeys(ids)))


def list_jobs(wire: Wire, call: Call) -> Answer:
    of = [name for name in ("jobQueue", "arrayJobId", "multiNodeJobId") if name in call.given]
    if len(of) != 1:
        got = ", ".join(of) or "nothing"
        raise Fault(f"got {got}; allowed: one of jobQueue, arrayJobId, multiNodeJobId")
    if of[0] == "jobQueue":
        return in_queue(wire, call)
    parent, _ = split_id(call.get(of[0]))
    if wire.upstream is not None and not standings(wire, [(parent, None)]):
        return elsewhere.parts_of(wire.upstream, call, of[0])
    return children(wire, call) if of[0] == "arrayJobId" else nodes(wire, call)


def children(wire: Wire, call: Call) -> Answer:
    """An array's children in one state, by index."""
    job_id, _ = split_id(call.get("arrayJobId"))
    most = pages.size(call.get("maxResults"), MOST_LISTED)
    after = pages.from_token(call.get("nextToken"), int)
    state = State(call.get("jobStatus", State.RUNNING))
    try:
        record = wire.store.job(job_id)
        found = wire.store.tasks_in(job_id, state, -1 if after is None else after, most + 1)
    except NotFound:
        return {"jobSummaryList": []}
    shown = standings(wire, [(job_id, task) for task in found[:most]] if record.array else [])
    more = pages.to_token(found[most - 1]) if len(found) > most else None
    return summaries(shown, call, more)


def nodes(wire: Wire, call: Call) -> Answer:
    """A multi-node job's nodes, by index, if it is in that state: they are in its own."""
    most = pages.size(call.get("maxResults"), MOST_LISTED)
    start = pages.from_token(call.get("nextToken"), int) or 0
    state = State(call.get("jobStatus", State.RUNNING))
    jobs = standings(wire, [split_id(call.get("multiNodeJobId"))])
    found = [node for one in jobs if one.state is state for node in multinode.every(one)]
    more = pages.to_token(start + most) if start + most < len(found) else None
    return summaries(found[start : start + most], call, more)


def summaries(found: Sequence[Standing], call: Call, more: str | None) -> Answer:
    answer: Answer = {"jobSummaryList": [to_summary(one, call.place) for one in found]}
    return answer | ({"nextToken": more} if more else {})


def in_queue(wire: Wire, call: Call) -> Answer:
    """A queue's jobs, newest first: in one state, or those that a filter lets through. Behind them
    those that AWS alone has in its queue of that name."""
    most = pages.size(call.get("maxResults"), MOST_FILTERED if call.get("filters") else MOST_LISTED)
    place = elsewhere.place_in_queue(call) if wire.upstream is not None else None
    if wire.upstream is not None and place is not None:
        return elsewhere.in_queue(wire, wire.upstream, call, place, most)
    own = own_in_queue(wire, call, most)
    if wire.upstream is None or "nextToken" in own:
        return own
    return elsewhere.behind(wire, wire.upstream, call, own, most)


def own_in_queue(wire: Wire, call: Call, most: int) -> Answer:
    listing = to_listing(wire, call, most)
    wanted = one_by_one(call)
    found: list[JobId] = []
    last, more = JobId(""), None
    for scanned, one in enumerate(every(wire, listing)):
        if len(found) == most or scanned == MOST_SCANNED:
            more = pages.to_token(last)
            break
        last = one.job_id
        if wanted(one):
            found.append(one.job_id)
    return summaries(standings(wire, [(one, None) for one in found]), call, more)


def every(wire: Wire, listing: Listing) -> Iterator[JobRecord]:
    while found := wire.describer.listed(listing):
        yield from found
        listing = replace(listing, after=found[-1].job_id)


def to_listing(wire: Wire, call: Call, most: int) -> Listing:
    """With a filter the state plays no part, as with AWS, but with SHARE_IDENTIFIER it may.

    Without a filter and without a state, RUNNING is meant.
    """
    after = pages.from_token(call.get("nextToken"), str)
    listing = Listing(
        queue=known_queue(wire, call.get("jobQueue")),
        after=None if after is None else JobId(after),
        limit=most + 1,
    )
    for one in call.get("filters", ()):
        if one.get("name") == SHARE and "jobStatus" in call.given:
            listing = replace(listing, state=State(call.get("jobStatus")))
        return filtered(listing, one.get("name", ""), value_of(one))
    return replace(listing, state=State(call.get("jobStatus", State.RUNNING)))


def value_of(pair: Mapping[str, Any]) -> str:
    """A filter's one value; `Fault` when it has none, or several."""
    values: list[str] = pair.get("values", [])
    if not values:
        raise Fault("filters.1.values: got nothing; allowed: one value")
    if len(values) > 1:
        raise refused("Filter cannot take more than one value.")
    return values[0]


def filtered(listing: Listing, name: str, value: str) -> Listing:
    match name:
        case "JOB_NAME":
            return replace(listing, name=value)
        case "BEFORE_CREATED_AT":
            return replace(listing, submitted_before_s=seconds(value))
        case "AFTER_CREATED_AT":
            return replace(listing, submitted_after_s=seconds(value))
        case "JOB_DEFINITION" | "SHARE_IDENTIFIER":  # each is looked at: in few reads
            return replace(listing, limit=MOST_LISTED)
    known = "JOB_NAME, JOB_DEFINITION, BEFORE_CREATED_AT, AFTER_CREATED_AT, SHARE_IDENTIFIER"
    raise Fault(f"filters.1.name: got {name!r}; allowed: one of {known}")


def seconds(value: str) -> float:
    try:
        return int(value) / 1000
    except (ValueError, OverflowError):
        words = "milliseconds since the Unix epoch"
        raise Fault(f"filters.1.values: got {value!r}; allowed: {words}") from None


def one_by_one(call: Call) -> Callable[[JobRecord], bool]:
    """What the store cannot filter by is looked for in each job."""
    for one in call.get("filters", ()):
        value = value_of(one)
        if one["name"] == SHARE:
            return lambda one: one.job.batch.get("shareIdentifier") == value
        if one["name"] == "JOB_DEFINITION":
            return lambda one: is_of(one, name_of(value))
    return lambda one: True


def is_of(record: JobRecord, wanted: str) -> bool:
    """Whether a job is of a definition: `name`, `name:revision`, or a beginning and `*`."""
    mine = record.job.definition or ""
    if wanted.endswith("*"):
        return mine.startswith(wanted[:-1])
    return wanted in (mine, name_and_revision(mine)[0] if mine else "")


def snapshot(wire: Wire, call: Call) -> Answer:
    """The front of a queue in the broker's own order, each job with what holds it."""
    name = known_queue(wire, call.get("jobQueue"))
    told: dict[str, Any] = {}
    for group in (one for one in front(wire) if one.job.queue == name):
        arn = call.place.arn("job", group.job_id)
        since = {"jobArn": arn, "earliestTimeAtPosition": ms(group.queued_at_s)}
        told.setdefault(arn, since | {"reason": group.hold or "has not been looked at yet"})
        if len(told) == FRONT:
            break
    return {"frontOfQueue": {"jobs": list(told.values()), "lastUpdatedAt": ms(wire.clock())}}
