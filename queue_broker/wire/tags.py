"""Tags of everything that has an ARN. A job's own are in the job; what was changed since, here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from headgate.job import MAX_TAGS
from queue_broker.core.consumables import KIND as CONSUMABLE
from queue_broker.records import Document
from queue_broker.wire import elsewhere, stopping
from queue_broker.wire.definitions import KIND as DEFINITION
from queue_broker.wire.detail import split_id
from queue_broker.wire.faults import Fault
from queue_broker.wire.kept import ENVIRONMENT, POLICY, QUEUE
from queue_broker.wire.names import name_and_revision, parts
from queue_broker.wire.queues import by_configuration
from queue_broker.wire.service import Answer, Call, Source, Wire

JOB = "job"
KIND = "job-tags"
Change = Callable[[dict[str, str]], dict[str, str]]


def list_tags(wire: Wire, call: Call) -> Answer:
    if (job := of_aws(wire, call)) is not None:
        return {"tags": job.get("tags", {})}
    return {"tags": tagged(wire, call.get("resourceArn")).body["tags"]}


def tag(wire: Wire, call: Call) -> Answer:
    return change(wire, call, lambda tags: tags | call.get("tags"))


def untag(wire: Wire, call: Call) -> Answer:
    gone = set(call.get("tagKeys"))
    return change(
        wire, call, lambda tags: {key: one for key, one in tags.items() if key not in gone}
    )


def change(wire: Wire, call: Call, to: Change) -> Answer:
    if wire.upstream is not None and (job := of_aws(wire, call)) is not None:
        elsewhere.check_change(wire, call.caller, job)
        return elsewhere.ask(wire.upstream, call.operation, call.given)
    found = tagged(wire, call.get("resourceArn"))
    if found.kind == KIND:
        stopping.find(wire, call, found.name)  # `Forbidden` where it is another tenant's
    tags = to(found.body["tags"])
    check(tags)
    wire.shelf.put(replace(found, body=found.body | {"tags": tags}))
    return {}


def of_aws(wire: Wire, call: Call) -> Answer | None:
    """The job that is meant, as AWS tells it, where AWS alone has it."""
    kind, name = parts(call.get("resourceArn"))
    job_id, task = split_id(name)
    if wire.upstream is None or kind != JOB or task is not None:
        return None
    if wire.describer.standings([(job_id, None)]):
        return None
    return elsewhere.described(wire.upstream, [job_id]).get(job_id)


def check(tags: dict[str, str]) -> None:
    if len(tags) > MAX_TAGS:
        raise Fault(f"tags: got {len(tags)} of them; allowed: at most {MAX_TAGS} of one resource")


def tagged(wire: Wire, arn: str) -> Document:
    """The document that holds the tags of an ARN; `Fault` when there is no such resource."""
    kind, name = parts(arn)
    revision: int | None = 0
    if kind == JOB:
        return of_job(wire, name)
    if kind == DEFINITION:
        name, revision = name_and_revision(arn)
    known = kind in {DEFINITION, QUEUE, ENVIRONMENT, POLICY, CONSUMABLE} and revision is not None
    found = wire.shelf.get(kind, name, revision or 0) if known else None
    if found is None and kind == QUEUE:
        found = by_configuration(wire, name)
    if found is None:
        raise Fault(f"resourceArn: got {arn!r}; allowed: the ARN of something that exists")
    return found


def of_job(wire: Wire, name: str) -> Document:
    job_id, task = split_id(name)
    if task is not None:
        words = "one of no child of an array: those have no tags of their own"
        raise Fault(f"resourceArn: got {name!r}; allowed: {words}")
    known = wire.describer.standings([(job_id, None)])
    if not known:
        raise Fault(f"resourceArn: got {name!r}; allowed: the ARN of a job that exists")
    wire_tags = Document(KIND, name, {"tags": dict(known[0].record.job.tags)})
    return wire.shelf.get(KIND, name) or wire_tags


def changed(wire: Wire, ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """The tags of those of these jobs whose tags were ever changed."""
    if not wire.recent.ask(any_changed, wire.source):
        return {}
    return {one.name: one.body["tags"] for one in wire.shelf.named(KIND, ids)}


def any_changed(source: Source) -> bool:
    """Whether any job's tags were: mostly none were, and every DescribeJobs would look for them."""
    return bool(source.shelf.page(KIND, None, 1))
