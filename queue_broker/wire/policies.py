"""Scheduling policies, kept by the broker. What decides is its own fair share, by tenant."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from queue_broker.records import Document
from queue_broker.wire.faults import Fault, refused
from queue_broker.wire.kept import POLICY, QUEUE, chosen, create, every, existing, page
from queue_broker.wire.names import Place, name_of
from queue_broker.wire.service import Answer, Call, Wire

FAIR, QUOTA = "fairsharePolicy", "quotaSharePolicy"
DEFAULTS = {"shareDecaySeconds": 0, "computeReservation": 0, "shareDistribution": []}


def create_policy(wire: Wire, call: Call) -> Answer:
    check_shares(call)
    if FAIR in call.given and QUOTA in call.given:
        raise refused(f"A scheduling policy can have either {FAIR} or {QUOTA}")
    name = call.get("name")
    body = {key: value for key, value in call.given.items() if key != "name"}
    if QUOTA not in body:
        body[FAIR] = DEFAULTS | body.get(FAIR, {})
    create(wire.shelf, Document(POLICY, name, {"tags": {}} | body))
    return named(call.place, name)


def check_shares(call: Call) -> None:
    """Shares may not overlap: neither twice the same, nor one that another's prefix takes in."""
    shares = call.given.get(FAIR, {}).get("shareDistribution", ())
    names = sorted(one["shareIdentifier"] for one in shares)
    if len(set(names)) < len(names):
        raise refused("Cannot have two or more identical shareIdentifiers.")
    for name, other in permutations(names, 2):
        if name.endswith("*") and other.startswith(name[:-1]):
            raise refused(f"Share identifier {other} matches another share identifier {name}.")


def update_policy(wire: Wire, call: Call) -> Answer:
    check_shares(call)
    found = existing(wire.shelf, POLICY, call.get("arn"), call.place)
    given = {key: value for key, value in call.given.items() if key != "arn"}
    other = FAIR if QUOTA in found.body else QUOTA
    if other in given:
        raise refused(f"{other}: got an object; allowed: none for a policy of the other kind")
    if FAIR in given:
        given[FAIR] = DEFAULTS | given[FAIR]
    wire.shelf.put(replace(found, body=found.body | given))
    return {}


def delete_policy(wire: Wire, call: Call) -> Answer:
    found = wire.shelf.get(POLICY, name_of(call.get("arn")))
    if found is None:
        return {}
    used = [one for one in every(wire.shelf, QUEUE) if found.name == policy_of(one)]
    if used:
        words = f"it is the policy of job queue {used[0].name}"
        raise Fault(f"arn: got {call.get('arn')!r}; allowed: a policy no queue uses ({words})")
    wire.shelf.remove(found)
    return {}


def policy_of(queue: Document) -> str | None:
    given = queue.body.get("schedulingPolicyArn")
    return name_of(given) if given else None


def describe_policies(wire: Wire, call: Call) -> Answer:
    found = chosen(wire.shelf, POLICY, [name_of(one) for one in call.get("arns")] or [""])
    return {"schedulingPolicies": [named(call.place, one.name) | one.body for one in found]}


def list_policies(wire: Wire, call: Call) -> Answer:
    found = [{"arn": call.place.arn(POLICY, one.name)} for one in every(wire.shelf, POLICY)]
    return page("schedulingPolicies", found, call)


def named(place: Place, name: str) -> Answer:
    return {"name": name, "arn": place.arn(POLICY, name)}
