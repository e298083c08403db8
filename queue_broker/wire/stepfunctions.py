"""A Step Functions definition whose Batch states go through the broker.

Step Functions calls Batch from inside AWS and can't be pointed elsewhere. So a state that submits a
job becomes one that sends a message to the broker's inbox and waits for its token: the broker runs
the job and answers with what `batch:submitJob` would have answered (docs/reference/wire.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from headgate.errors import InvalidInput
from queue_broker.wire.capitals import DYNAMIC, submit_shape, to_wire

#: Batch's own integration or the SDK's. The partition may be a placeholder of CloudFormation's.
SUBMIT = re.compile(
    r"(?P<arn>arn:.+):states:::(aws-sdk:)?batch:submitJob(?P<how>|\.sync|\.waitForTaskToken)"
)
SYNC, BY_JOB = ".sync", ".waitForTaskToken"
#: What a state may ask of Batch about a job, and Batch does not know of the broker's.
ASKS = re.compile(r"arn:.+:states:::(aws-sdk:)?batch:(describe|list|cancel|terminate)Jobs?(\..+)?")
SEND, AND_WAIT = ":states:::sqs:sendMessage", ".waitForTaskToken"
JSONATA, EXPRESS = "JSONata", "EXPRESS"
#: The errors that a rewritten state fails with beside SQS's own.
SENT = {"Batch.ClientException", "Batch.JobFailed"}


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to one state, or what people have to know of it."""

    state: str
    what: str


def rewrite(
    definition: Mapping[str, Any], queue_url: str, express: bool = False
) -> tuple[dict[str, Any], list[Change]]:
    """The definition with its Batch states sending to `queue_url`; `InvalidInput` if it is none.

    `express`: it is an Express workflow, which cannot wait for a token.
    """
    changes: list[Change] = []
    here = Here(queue_url, changes, str(definition.get("QueryLanguage", "")), express)
    return machine(definition, here), changes


@dataclass(frozen=True, slots=True)
class Here:
    """Where messages go, what was changed so far, and what holds of a part of the definition."""

    queue_url: str
    changes: list[Change]
    language: str
    express: bool

    def note(self, state: str, what: str) -> None:
        self.changes.append(Change(state, what))

    def inside(self, found: Mapping[str, Any]) -> Here:
        """Of a state, or of the state machine in a Map or a Parallel state."""
        config = mapping(found.get("ProcessorConfig", {}), "ProcessorConfig")
        return replace(
            self,
            language=str(found.get("QueryLanguage", self.language)),
            express=self.express or config.get("ExecutionType") == EXPRESS,
        )


def mapping(found: object, field: str, allowed: str = "an object") -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise InvalidInput.of(field, found, allowed)
    return found


def machine(found: object, here: Here) -> dict[str, Any]:
    """A state machine, or the part of one in a Map or a Parallel state."""
    given = mapping(found, "States", "a state machine with its States")
    here = here.inside(given)
    allowed = "the states of a state machine (not of a template that has one)"
    states = mapping(given.get("States"), "States", allowed)
    return {**given, "States": {name: state(name, one, here) for name, one in states.items()}}


def state(name: str, one: object, here: Here) -> dict[str, Any]:
    found = mapping(one, f"States.{name}")
    here, changed = here.inside(found), dict(found)
    for inner in ("ItemProcessor", "Iterator"):
        if inner in found:
            changed[inner] = machine(found[inner], here)
    if "Branches" in found:
        if not isinstance(found["Branches"], list):
            raise InvalidInput.of(f"States.{name}.Branches", found["Branches"], "a list")
        changed["Branches"] = [machine(one, here) for one in found["Branches"]]
    resource = str(found.get("Resource", ""))
    if found.get("Type") == "Task" and (submits := SUBMIT.fullmatch(resource)):
        return task(name, changed, submits, here)
    if ASKS.fullmatch(resource):
        here.note(name, f"{resource} stays as it is: AWS Batch does not know the broker's jobs")
    return changed


def task(name: str, found: dict[str, Any], submits: re.Match[str], here: Here) -> dict[str, Any]:
    """The state that sends the job to the broker's inbox. All else of it stays."""
    members = "Arguments" if here.language == JSONATA else "Parameters"
    unknown: list[str] = []
    body = {"submitJob": arguments(name, found.get(members), here, unknown)}
    send = f"{submits['arn']}{SEND}"
    if not here.express:
        send += AND_WAIT
        body |= token(here.language) | answer(submits["how"])
    here.note(name, f"{submits[0]} -> {send}")
    for what in remarks(found, here, unknown):
        here.note(name, what)
    return {**found, "Resource": send, members: {"QueueUrl": here.queue_url, "MessageBody": body}}


def arguments(name: str, asked: object, here: Here, unknown: list[str]) -> Any:
    """SubmitJob's, in the wire's spelling. JSONata may compute them all; then the inbox does it."""
    if here.language == JSONATA and isinstance(asked, str) and asked.startswith("{%"):
        return asked
    members = "Arguments" if here.language == JSONATA else "Parameters"
    allowed = f"the members of submitJob, in {here.language or 'JSONPath'}"
    given = mapping(asked, f"States.{name}.{members}", allowed)
    return to_wire(submit_shape(), given, unknown)


def token(language: str) -> dict[str, Any]:
    if language == JSONATA:
        return {"taskToken": "{% $states.context.Task.Token %}"}
    return {f"taskToken{DYNAMIC}": "$$.Task.Token"}


def answer(how: str) -> dict[str, Any]:
    """When the broker answers: at the end, at once, or not since the job itself has the token."""
    return {"answeredByJob": True} if how == BY_JOB else {"wait": how == SYNC}


def remarks(found: Mapping[str, Any], here: Here, unknown: list[str]) -> list[str]:
    said = [f"{one} is no member of submitJob that is known here" for one in unknown]
    if here.express:
        said.append("an Express workflow cannot wait: its result is SQS's, without a JobId")
    if errors := ", ".join(batch_errors(found)):
        said.append(f"{errors} will not come: it fails with {', '.join(sorted(SENT))}, or SQS's")
    if "Credentials" in found:
        said.append("the role in its Credentials now needs sqs:SendMessage on the inbox")
    return said


def batch_errors(found: Mapping[str, Any]) -> list[str]:
    """The errors of Batch that the state retries or catches by name, and that come no more."""
    rules = [*(found.get("Retry") or ()), *(found.get("Catch") or ())]
    named = {
        str(error)
        for rule in rules
        for error in mapping(rule, "Retry, Catch").get("ErrorEquals") or ()
    }
    return sorted(error for error in named - SENT if error.startswith("Batch."))
