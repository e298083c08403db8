"""A Step Functions definition whose Batch states go through the broker.

Step Functions calls Batch from inside AWS and can't be pointed elsewhere. So a state that submits a
job becomes one that sends a message to the broker's inbox and waits for its token: the broker runs
the job and answers with what `batch:submitJob` would have answered (docs/reference/wire.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headgate.errors import InvalidInput
from queue_broker.wire.model import operations

if TYPE_CHECKING:
    from botocore.model import Shape

SUBMIT = ":states:::batch:submitJob"
SYNC = ".sync"
SEND = "arn:{partition}:states:::sqs:sendMessage.waitForTaskToken"
#: JSONPath's mark of a member whose value is looked up when the state runs.
DYNAMIC = ".$"
JSONATA = "JSONata"


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to one state, for people to read."""

    state: str
    what: str


def rewrite(definition: Mapping[str, Any], queue_url: str) -> tuple[dict[str, Any], list[Change]]:
    """The definition with its Batch states sending to `queue_url`; `InvalidInput` if it is none."""
    if not isinstance(definition.get("States"), Mapping):
        raise InvalidInput.of("States", definition.get("States"), "the states of a state machine")
    changes: list[Change] = []
    language = str(definition.get("QueryLanguage", ""))
    found = machine(definition, Rewriting(queue_url, changes), language)
    return found, changes


@dataclass(frozen=True, slots=True)
class Rewriting:
    """Where messages go, and what was changed so far."""

    queue_url: str
    changes: list[Change]

    def note(self, state: str, what: str) -> None:
        self.changes.append(Change(state, what))


def machine(found: Mapping[str, Any], how: Rewriting, language: str) -> dict[str, Any]:
    """A state machine, or the part of one in a Map or a Parallel state."""
    language = str(found.get("QueryLanguage", language))
    states = {
        name: state(name, one, how, str(one.get("QueryLanguage", language)))
        for name, one in found["States"].items()
    }
    return {**found, "States": states}


def state(name: str, found: Mapping[str, Any], how: Rewriting, language: str) -> dict[str, Any]:
    changed = dict(found)
    for inner in ("ItemProcessor", "Iterator"):
        if inner in found:
            changed[inner] = machine(found[inner], how, language)
    if "Branches" in found:
        changed["Branches"] = [machine(one, how, language) for one in found["Branches"]]
    resource = str(found.get("Resource", ""))
    if found.get("Type") == "Task" and submits(resource):
        return task(name, changed, how, language)
    return changed


def submits(resource: str) -> bool:
    return resource.startswith("arn:") and resource.removesuffix(SYNC).endswith(SUBMIT)


def task(name: str, found: dict[str, Any], how: Rewriting, language: str) -> dict[str, Any]:
    """The state that sends the job to the broker's inbox. All else of it stays."""
    jsonata = language == JSONATA
    members = "Arguments" if jsonata else "Parameters"
    asked = found.get(members)
    if not isinstance(asked, Mapping):
        raise InvalidInput.of(f"States.{name}.{members}", asked, "the members of submitJob")
    resource = str(found["Resource"])
    unknown: list[str] = []
    body = {
        "submitJob": to_wire(submit_shape(), asked, unknown),
        "wait": resource.endswith(SYNC),
        **token(jsonata),
    }
    send = SEND.format(partition=resource.split(":")[1])
    message = {"QueueUrl": how.queue_url, "MessageBody": body}
    how.note(name, f"{resource} -> {send}")
    for one in unknown:
        how.note(name, f"{one} is no member of submitJob that is known here; it is sent as it is")
    for one in batch_errors(found):
        how.note(name, f"{one} is still caught: the broker fails a task with Batch's own errors")
    return {**found, "Resource": send, members: message}


def token(jsonata: bool) -> dict[str, str]:
    if jsonata:
        return {"taskToken": "{% $states.context.Task.Token %}"}
    return {f"taskToken{DYNAMIC}": "$$.Task.Token"}


def submit_shape() -> Shape:
    found = next(one.takes for one in operations() if one.name == "SubmitJob")
    if found is None:
        raise AssertionError("SubmitJob takes an object")
    return found


def to_wire(shape: Shape, value: Any, unknown: list[str]) -> Any:
    """Step Functions' `JobName` as the wire's `jobName`; the keys of maps stay as they are."""
    if shape.type_name == "structure" and isinstance(value, Mapping):
        return dict(members_of(shape, value, unknown))
    if shape.type_name == "list" and isinstance(value, list):
        return [to_wire(shape.member, one, unknown) for one in value]  # type: ignore[attr-defined]
    return value


def members_of(
    shape: Shape, value: Mapping[str, Any], unknown: list[str]
) -> Iterator[tuple[str, Any]]:
    known = {name.lower(): name for name in shape.members}  # type: ignore[attr-defined]
    for key, one in value.items():
        plain = key.removesuffix(DYNAMIC)
        name = known.get(plain.lower())
        if name is None:
            unknown.append(plain)
            yield key, one
        elif plain != key:
            yield f"{name}{DYNAMIC}", one
        else:
            yield name, to_wire(shape.members[name], one, unknown)  # type: ignore[attr-defined]


def batch_errors(found: Mapping[str, Any]) -> list[str]:
    """The errors of Batch that the state retries or catches by name."""
    rules = [*found.get("Retry", ()), *found.get("Catch", ())]
    named = {error for rule in rules for error in rule.get("ErrorEquals", ())}
    return sorted(error for error in named if error.startswith("Batch."))
