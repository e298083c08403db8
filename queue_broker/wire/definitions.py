"""Job definitions, kept by the broker: revisions that never change, and go INACTIVE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from headgate.errors import Conflict
from queue_broker.ports import Shelf, Upstream
from queue_broker.records import Document
from queue_broker.wire import pages
from queue_broker.wire.faults import Fault, refused
from queue_broker.wire.kept import every
from queue_broker.wire.names import Place, name_and_revision
from queue_broker.wire.properties import check_properties
from queue_broker.wire.service import Answer, Call, Source, Wire

KIND = "job-definition"
#: Lists that the service always answers, empty where nothing was given.
CONTAINER_LISTS = (
    *("command", "volumes", "environment", "mountPoints"),
    *("ulimits", "resourceRequirements", "secrets"),
)
#: The same inside of what was given.
INNER_LISTS: Mapping[str, Mapping[str, Any]] = {
    "linuxParameters": {"devices": [], "tmpfs": []},
    "logConfiguration": {"options": {}, "secretOptions": []},
}
LATEST = {"platformVersion": "LATEST"}
TRIES = 20


def register(wire: Wire, call: Call) -> Answer:
    name = call.get("jobDefinitionName")
    check_properties(call.given)
    kept = add_revision(wire.shelf, name, normal(call.given))
    return {
        "jobDefinitionName": name,
        "jobDefinitionArn": arn(call.place, kept),
        "revision": kept.revision,
    }


def add_revision(shelf: Shelf, name: str, body: dict[str, Any]) -> Document:
    """The next revision. Numbers are never used twice, since revisions are never removed."""
    for _ in range(TRIES):
        newest = next(iter(shelf.named(KIND, [name])), None)
        revision = newest.revision + 1 if newest else 1
        try:
            return shelf.put(Document(KIND, name, body, revision))
        except Conflict:  # somebody registered at the same time
            continue
    raise Conflict(f"job definition {name!r} is being registered by too many at once")


def normal(given: Mapping[str, Any]) -> dict[str, Any]:
    """The definition as the service answers it: its defaults filled in."""
    body = {name: value for name, value in given.items() if name != "jobDefinitionName"}
    body |= {"status": "ACTIVE", "containerOrchestrationType": "ECS"}
    body.setdefault("parameters", {})
    body.setdefault("tags", {})
    if "eksProperties" in body:
        body["containerOrchestrationType"] = "EKS"
        body["eksProperties"] = with_lists(body["eksProperties"])
    if "containerProperties" in body:
        body["containerProperties"] = with_all_lists(body["containerProperties"])
    if "FARGATE" in body.get("platformCapabilities", ()) and "containerProperties" in body:
        body["containerProperties"].setdefault("fargatePlatformConfiguration", LATEST)
    if "retryStrategy" in body:
        body["retryStrategy"] = lower_actions(body["retryStrategy"])
    return body


def with_all_lists(container: Mapping[str, Any]) -> dict[str, Any]:
    """A container with every list that the service answers, empty where none was given."""
    inner = {
        name: {**lists, **container[name]}
        for name, lists in INNER_LISTS.items()
        if name in container
    }
    return {name: [] for name in CONTAINER_LISTS} | {**container, **inner}


def with_lists(properties: Mapping[str, Any]) -> dict[str, Any]:
    """A pod whose containers have a command and an environment, empty where none was given."""
    pod = properties.get("podProperties", {})
    containers = [{"command": [], "env": []} | one for one in pod.get("containers", ())]
    return {**properties, "podProperties": {**pod, "containers": containers}}


def lower_actions(strategy: Mapping[str, Any]) -> dict[str, Any]:
    """The service answers `retry` whatever the case it was given."""
    rules = strategy.get("evaluateOnExit", ())
    return {
        **strategy,
        "evaluateOnExit": [one | {"action": one["action"].lower()} for one in rules],
    }


def arn(place: Place, document: Document) -> str:
    return place.arn(KIND, f"{document.name}:{document.revision}")


def deregister(wire: Wire, call: Call) -> Answer:
    name, revision = name_and_revision(call.get("jobDefinition"))
    if revision is None:
        raise refused(f"jobDefinition: got {name!r}; allowed: name:revision, or its ARN")
    found = wire.shelf.get(KIND, name, revision)
    if found is not None and found.body["status"] == "ACTIVE":
        wire.shelf.put(replace(found, body=found.body | {"status": "INACTIVE"}))
    return {}


def describe(wire: Wire, call: Call) -> Answer:
    pages.check_names(call.given, "jobDefinitions")
    most = pages.size(call.get("maxResults"))
    found: list[Document] = []
    more = None
    for document in matching(wire.shelf, call):
        if len(found) == most:
            more = pages.to_token([found[-1].name, found[-1].revision])
            break
        found.append(document)
    answer: Answer = {"jobDefinitions": [to_definition(call.place, one) for one in found]}
    return answer | ({"nextToken": more} if more else {})


def matching(shelf: Shelf, call: Call) -> Iterator[Document]:
    """The definitions asked for, by name and then newest first, from the page's start on."""
    after = pages.from_token(call.get("nextToken"), list)
    start = None if after is None else (str(after[0]), int(after[1]))
    wanted = list(call.get("jobDefinitions", ()))
    if name := call.get("jobDefinitionName"):
        wanted.append(name)
    for document in asked_for(shelf, wanted, start) if wanted else every(shelf, KIND, start):
        if call.get("status") in (None, document.body["status"]):
            yield document


def asked_for(shelf: Shelf, wanted: list[str], after: tuple[str, int] | None) -> Iterator[Document]:
    asked = [name_and_revision(one) for one in wanted]
    for document in shelf.named(KIND, sorted({name for name, _ in asked})):
        mine = (document.name, None) in asked or (document.name, document.revision) in asked
        if mine and (after is None or behind(document, after)):
            yield document


def behind(document: Document, after: tuple[str, int]) -> bool:
    name, revision = after
    return document.name > name or (document.name == name and document.revision < revision)


def to_definition(place: Place, document: Document) -> Answer:
    return {
        "jobDefinitionName": document.name,
        "jobDefinitionArn": arn(place, document),
        "revision": document.revision,
        **document.body,
    }


def find(source: Source, given: str, place: Place) -> Answer:
    """The definition that a submission names: of a bare name, the newest active revision."""
    found = active(source, given, place)
    if not found:
        if given.startswith("arn:"):
            raise Fault(f"JobDefinition {given} not found.")
        raise Fault(f"JobDefinition name {given} does not exist or is not in ACTIVE status")
    return max(found, key=lambda one: int(one["revision"]))


def active(source: Source, given: str, place: Place) -> list[Answer]:
    name, revision = name_and_revision(given)
    if source.upstream is not None:
        by_name = {"jobDefinitionName": name, "status": "ACTIVE"}
        by = by_name if revision is None else {"jobDefinitions": [given]}
        found = from_upstream(source.upstream, by)
        return [one for one in found if one.get("status", "ACTIVE") == "ACTIVE"]
    if revision is None:
        kept = source.shelf.named(KIND, [name])
    else:
        kept = source.shelf.exact(KIND, [(name, revision)])
    return [to_definition(place, one) for one in kept if one.body["status"] == "ACTIVE"]


def of_jobs(source: Source, wanted: frozenset[str], place: Place) -> dict[str, Answer]:
    """The definitions of jobs by `name:revision`, INACTIVE ones too; unknown ones left out."""
    asked = sorted(wanted)
    if source.upstream is not None:
        found = from_upstream(source.upstream, {"jobDefinitions": asked}) if asked else []
        return {f"{one['jobDefinitionName']}:{one['revision']}": one for one in found}
    pairs = [(name, revision or 0) for name, revision in map(name_and_revision, asked)]
    kept = source.shelf.exact(KIND, pairs)
    return {f"{one.name}:{one.revision}": to_definition(place, one) for one in kept}


def from_upstream(upstream: Upstream, asked: Answer) -> list[Answer]:
    answer: Answer = upstream.call("DescribeJobDefinitions", asked)
    found: list[Answer] = answer["jobDefinitions"]
    return found
