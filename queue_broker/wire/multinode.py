"""Multi-node parallel jobs, each of them one task (queue_broker/nodes.py).

What AWS says of a job's nodes is told: a node is addressed as JOB#INDEX, and has a log of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from queue_broker import containers
from queue_broker.nodes import (
    CONSUMABLES,
    NODE_PROPERTIES,
    Nodes,
    Range,
    nodes_of,
    requirements,
    span,
    together,
)
from queue_broker.ports import Describer
from queue_broker.records import Attempt, JobId, Standing
from queue_broker.wire.faults import refused
from queue_broker.wire.names import index_of, name_of
from queue_broker.wire.service import Answer

MULTINODE = "multinode"
MARK = "#"
#: Each splits ranges in two or three, and a job keeps the container of each of its ranges.
MOST_CHANGES = 20
#: Of a submission: what says nothing of a job of several nodes.
NOT_OF_NODES = (
    *("arrayProperties", "containerOverrides"),
    *("ecsPropertiesOverride", "eksPropertiesOverride"),
)
#: What an override says of nodes beside their container, and what a definition calls it.
BESIDE = {"instanceTypes": "instanceTypes", "consumableResourcePropertiesOverride": CONSUMABLES}
#: Lists of a container that an override adds to, and by what their entries are told apart.
MERGED = {"environment": "name", "resourceRequirements": "type"}


def settled(given: Mapping[str, Any], definition: Mapping[str, Any]) -> Answer:
    """A job's own nodeProperties: its definition's, with what the submission overrides."""
    for name in NOT_OF_NODES:
        if given.get(name):
            words = "none for a multi-node job; its containers are overridden by nodeOverrides"
            raise refused(f"{name}: got an object; allowed: {words}")
    overrides = given.get("nodeOverrides", {})
    properties = dict(definition[NODE_PROPERTIES])
    if "numNodes" in overrides:
        properties["numNodes"] = counted(overrides["numNodes"], properties)
    nodes = read(properties)
    changes = overrides.get("nodePropertyOverrides", ())
    if len(changes) > MOST_CHANGES:
        words = f"at most {MOST_CHANGES}"
        raise refused(f"nodePropertyOverrides: got {len(changes)}; allowed: {words}")
    if changes:
        properties["nodeRangeProperties"] = changed(nodes, changes)
    return properties


def read(properties: Mapping[str, Any]) -> Nodes:
    """`Fault` where they make no sense."""
    try:
        return Nodes.of(properties)
    except ValueError as error:
        raise refused(f"{NODE_PROPERTIES}.{error}") from None


def counted(number: int, properties: Mapping[str, Any]) -> int:
    """The number of nodes asked for instead, where the definition leaves it open."""
    targets = [one["targetNodes"] for one in properties["nodeRangeProperties"]]
    if number != properties["numNodes"] and not any(one.endswith(":") for one in targets):
        words = f"{properties['numNodes']}, since no range of the definition's nodes is open (n:)"
        raise refused(f"nodeOverrides.numNodes: got {number}; allowed: {words}")
    return number


def changed(nodes: Nodes, changes: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """The ranges with these overrides: neighbours that run the same are together."""
    spans = [targets(one["targetNodes"], nodes.count) for one in changes]
    wanted = [
        tuple(at for at, one in enumerate(spans) if index in one) for index in range(nodes.count)
    ]
    alike = groupby(
        range(nodes.count), key=lambda index: (nodes.range_of(index).span, wanted[index])
    )
    found: list[Answer] = []
    for (_, ats), group in alike:
        members = list(group)
        found.append(
            one_range(nodes.range_of(members[0]), [changes[at] for at in ats])
            | {"targetNodes": f"{members[0]}:{members[-1]}"}
        )
    return found


def one_range(known: Range, changes: Sequence[Mapping[str, Any]]) -> Answer:
    """What nodes run that these changes are for."""
    found = dict(known.beside)
    container = {
        name: one for name, one in known.container.items() if name not in containers.AMONG_OTHERS
    }
    for one in changes:
        container = overridden(container, containers.of_overrides(one))
        found |= {BESIDE[name]: one[name] for name in BESIDE if one.get(name)}
    return found | {"container": container}


def targets(target: str, count: int) -> range:
    try:
        found = span(target, count)
    except ValueError as error:
        raise refused(f"nodeOverrides.{error}") from None
    if not found or found.start >= count:
        words = f"nodes of 0 to {count - 1}"
        raise refused(f"nodeOverrides.targetNodes: got {target!r}; allowed: {words}")
    return found


def overridden(container: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """A node's container with what a submission says of it."""
    kept = without_amounts(override)
    if asked := requirements(override):
        kept["resourceRequirements"] = asked
    for name, key in MERGED.items():
        if name in kept:
            both = (*container.get(name, ()), *kept[name])
            kept[name] = list({one.get(key): one for one in both}.values())
    return {**container, **kept}


def without_amounts(container: Mapping[str, Any]) -> dict[str, Any]:
    """Without those that can be said twice."""
    return {name: one for name, one in container.items() if name not in ("vcpus", "memory")}


def as_container(definition: Mapping[str, Any], properties: Mapping[str, Any]) -> Answer:
    """The definition as one of a container: the main node's, with what all nodes ask for."""
    nodes = read(properties)
    total = together(nodes.range_of(index).asked for index in range(nodes.count))
    main = nodes.range_of(nodes.main).container
    asked = [{"type": kind, "value": number(one)} for kind, one in total.items()]
    whole = without_amounts(main) | {"resourceRequirements": asked}
    return {**definition, "containerProperties": whole}


def number(amount: float) -> str:
    return str(int(amount) if amount.is_integer() else amount)


def named(describer: Describer, given: Iterable[str]) -> list[Standing]:
    """The nodes of these names that there are: JOB#INDEX, or the job's ARN with #INDEX."""
    asked = dict.fromkeys(name_of(one).partition(MARK)[::2] for one in given)
    if not asked:
        return []
    ids = dict.fromkeys((JobId(job), None) for job, _ in asked)
    jobs = {str(one.record.job_id): one for one in describer.standings(list(ids))}
    found = (node(jobs[job], index_of(index)) for job, index in asked if job in jobs)
    return [one for one in found if one is not None]


def every(standing: Standing) -> list[Standing]:
    """All nodes of a job; none of any other."""
    nodes = nodes_of(standing.record)
    return [of_node(standing, nodes, index) for index in range(nodes.count)] if nodes else []


def node(standing: Standing, index: int | None) -> Standing | None:
    """One node of a job, if it has one of that index."""
    nodes = nodes_of(standing.record)
    if nodes is None or index is None or index >= nodes.count:
        return None
    return of_node(standing, nodes, index)


def of_node(standing: Standing, nodes: Nodes, index: int) -> Standing:
    attempts = tuple(of_attempt(one, nodes, index) for one in standing.attempts)
    return replace(standing, node=index, attempts=attempts)


def of_attempt(attempt: Attempt, nodes: Nodes, index: int) -> Attempt:
    """A node has the course of its job; the exit code is the main node's alone."""
    child = attempt.child and f"{attempt.child}{MARK}{index}"
    found = replace(attempt, task=nodes.seat(index), child=child)
    return found if index == nodes.main else replace(found, exit_code=None)


def summary(standing: Standing) -> Answer:
    """A `NodePropertiesSummary`, where there is one to tell."""
    nodes = nodes_of(standing.record)
    if nodes is None:
        return {}
    found: Answer = {"numNodes": nodes.count}
    if standing.node is not None:
        found |= place(nodes, standing.node)
    return {NODE_PROPERTIES: found}


def place(nodes: Nodes, index: int) -> Answer:
    """A `NodeDetails`."""
    return {"nodeIndex": index, "isMainNode": index == nodes.main}
