"""Hand-over: each leak becomes one job or one array job of AWS Batch, once.

Batch has no idempotency token. So a call is never repeated blindly: after an unclear answer, and
after a crash, the job is looked for by its name, which is unique for ever. Only when it has not
turned up for `settle_s` (ListJobs runs a little behind SubmitJob) is it asked for again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic.alias_generators import to_camel

from headgate.errors import InvalidInput, Unavailable
from headgate.job import MAX_ATTEMPTS, MAX_PAYLOAD_BYTES, Job, show_scalar
from queue_broker.adapters.engines.aws.cargo import Cargo, NeverFits, ParametersOf, load
from queue_broker.adapters.engines.aws.clients import SUBMITTERS, Clients
from queue_broker.adapters.engines.aws.definitions import Definitions
from queue_broker.adapters.engines.aws.faults import Fault, calling, fault_of, words
from queue_broker.adapters.engines.aws.fleet import STACK_TAG, Fleet
from queue_broker.adapters.engines.aws.pace import Pace
from queue_broker.core.whole import goes_whole, under_shim
from queue_broker.nodes import CONSUMABLES, nodes_of
from queue_broker.records import Leak
from queue_broker.tagging import beside

if TYPE_CHECKING:
    from queue_broker.ports import Clock
    from queue_broker.settings import AwsSettings

SUBMIT = "batch:SubmitJob"
LEAK_TAG = "headgate:leak"
#: How long a container may take to read its rows: as long as the longest credentials live.
ROWS_LIVE_S = 7 * 86_400
#: As the user guide of AWS Batch has it for Spot ("Automated job retries").
AFTER_LOST_HOSTS = [
    {"onStatusReason": "Host EC2*", "action": "RETRY"},
    {"onReason": "*", "action": "EXIT"},
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one submission: an id, a reason why not, or (neither) a question to ask again.

    `never` is a reason that no other time will change; `misread`: its image runs no shim.
    `unclear`: it may have been taken. `away`: nothing else will be taken just now either.
    """

    leak: Leak
    job_id: str | None = None
    refused: str | None = None
    never: str | None = None
    unclear: bool = False
    misread: bool = False
    away: str | None = None


class Submitting:
    """Submits from several threads, at the pace that AWS allows."""

    def __init__(
        self,
        clients: Clients,
        settings: AwsSettings,
        fleet: Fleet,
        pace: Pace,
        parameters: ParametersOf,
        clock: Clock,
    ) -> None:
        self._clients = clients
        self._settings = settings
        self._fleet = fleet
        self._pace = pace
        self._parameters = parameters
        self._clock = clock
        self.definitions = Definitions(clients.batch, settings)
        self._batch = clients.submit  # made here: making one is not thread-safe
        self._pool = ThreadPoolExecutor(SUBMITTERS, thread_name_prefix="submit")

    def submit(self, leaks: Sequence[Leak]) -> list[Outcome]:
        """One outcome for each, in order."""
        return list(self._pool.map(self._submit, leaks))

    def find(self, leak: Leak) -> str | None:
        """The id of the job with the leak's name, if Batch has one. `Unavailable`."""
        return self.find_named(leak.name, leak.lane)

    def find_named(self, name: str, queue: str) -> str | None:
        """As `find`, of a name. In a queue that is gone there is nothing."""
        try:
            answer = self._clients.batch.list_jobs(
                jobQueue=queue, filters=[{"name": "JOB_NAME", "values": [name]}]
            )
        except (ClientError, BotoCoreError) as error:
            if fault_of(error) is Fault.NO_QUEUE:
                return None
            raise Unavailable(words("batch:ListJobs", error)) from error
        found = [one["jobId"] for one in answer["jobSummaryList"] if one["jobName"] == name]
        return found[0] if found else None

    def close(self) -> None:
        self._pool.shutdown()

    def _submit(self, leak: Leak) -> Outcome:
        if why := self._fleet.why_not(leak):
            return Outcome(leak, refused=why)
        if not self._pace.open(self._clock()):
            return Outcome(leak)
        try:
            return self._sent(leak)
        except NeverFits as error:
            return Outcome(leak, never=str(error))
        except InvalidInput as error:
            return Outcome(leak, refused=str(error))
        except Unavailable as error:  # before anything was submitted
            return Outcome(leak, away=str(error))

    def _sent(self, leak: Leak) -> Outcome:
        if nodes_of(leak):
            return self._call(leak, of_nodes(leak), again=True)
        runs = self.definitions.runs(leak.job)
        if under_shim(leak) and runs is False:
            return Outcome(leak, misread=True)
        cargo = self._shipped(leak, load(leak, self._parameters, says=runs is None))
        return self._call(leak, {"containerOverrides": cargo.overrides()}, again=True)

    def _shipped(self, leak: Leak, cargo: Cargo) -> Cargo:
        """The cargo, with its rows where the containers can read them."""
        if cargo.rows is None:
            return cargo
        if self._settings.bucket is None:
            raise InvalidInput("its tasks' parameters need a place on S3: set aws.bucket")
        where = {"Bucket": self._settings.bucket, "Key": self._settings.key("rows", leak.name)}
        with calling("s3:PutObject"):
            self._clients.s3.put_object(**where, Body=cargo.rows)  # type: ignore[arg-type]
        url = self._clients.s3.generate_presigned_url("get_object", where, ExpiresIn=ROWS_LIVE_S)
        return cargo.with_rows_at(url)

    def _call(self, leak: Leak, what: Mapping[str, Any], again: bool) -> Outcome:
        """`what` is to run, beside the definition."""
        definition = self.definitions.arn_for(leak.job)
        request = to_request(self._tagged(leak), what, definition, self._settings.stack)
        try:
            answer = self._batch.submit_job(**request)
        except (ClientError, BotoCoreError) as error:
            fault = fault_of(error)
            if fault is Fault.NO_DEFINITION and again:
                self.definitions.forget(definition)
                return self._call(leak, what, again=False)
            return self._failed(leak, fault, words(SUBMIT, error))
        self._pace.went_well()
        return Outcome(leak, job_id=answer["jobId"])

    def _tagged(self, leak: Leak) -> Leak:
        """Tags that go on to ECS's tasks are the definition's too: that of the account."""
        if not leak.job.batch.get("propagateTags"):
            return leak
        tags = self.definitions.tags_of(leak.job) | leak.job.tags
        return replace(leak, job=leak.job.model_copy(update={"tags": tags}))

    def _failed(self, leak: Leak, fault: Fault, why: str) -> Outcome:
        match fault:
            case Fault.THROTTLED:
                self._pace.throttled(self._clock())
                return Outcome(leak)
            case Fault.UNCLEAR:
                return Outcome(leak, unclear=True)
            case Fault.AWAY | Fault.DENIED:
                return Outcome(leak, away=why)
            case Fault.NO_QUEUE:
                self._fleet.shut(leak.lane, why)
        return Outcome(leak, refused=why)


def of_nodes(leak: Leak) -> dict[str, Any]:
    """What a multi-node job was submitted with: it is handed on as it is."""
    batch, parameters = leak.job.batch, leak.job.parameters
    overrides = {"nodeOverrides": batch["nodeOverrides"]} if "nodeOverrides" in batch else {}
    return overrides | {"parameters": {name: show_scalar(one) for name, one in parameters.items()}}


def to_request(leak: Leak, what: Mapping[str, Any], definition: str, stack: str) -> dict[str, Any]:
    """SubmitJob's arguments. Batch itself tries again only where the broker cannot."""
    request: dict[str, Any] = {
        "jobName": leak.name,
        "jobQueue": leak.lane,
        "jobDefinition": definition,
        **what,
        "retryStrategy": own_retries(leak.job) if goes_whole(leak) else {"attempts": 1},
    }
    if len(leak.tasks) > 1:
        request["arrayProperties"] = {"size": len(leak.tasks)}
    if leak.job.timeout_s is not None:
        request["timeout"] = {"attemptDurationSeconds": leak.job.timeout_s}
    if CONSUMABLES in leak.job.batch:
        request["consumableResourcePropertiesOverride"] = leak.job.batch[CONSUMABLES]
    if leak.job.batch.get("propagateTags"):
        request["propagateTags"] = True
    room = MAX_PAYLOAD_BYTES - len(json.dumps(request)) - len(', "tags": {}')
    return request | {"tags": tags(leak, stack, room)}


def own_retries(job: Job) -> dict[str, Any]:
    """An array's child that could not go alone is tried again by Batch. Where its owner wants one
    attempt, that is for lost hosts alone: the broker chose the lane."""
    strategy = job.retry_strategy
    if strategy.attempts == 1:
        return {"attempts": MAX_ATTEMPTS, "evaluateOnExit": AFTER_LOST_HOSTS}
    rules = [
        {to_camel(name): value for name, value in rule.model_dump(exclude_none=True).items()}
        for rule in strategy.evaluate_on_exit
    ]
    return {"attempts": strategy.attempts} | ({"evaluateOnExit": rules} if rules else {})


def tags(leak: Leak, stack: str, room: int) -> dict[str, str]:
    """The broker's own, and the job's as far as they fit into `room` bytes of JSON: bills are split
    by them."""
    own = {
        STACK_TAG: stack,
        LEAK_TAG: leak.name,
        "headgate:tenant": leak.tenant,
        "headgate:tier": leak.tier,
    }
    return beside(own, leak.job.tags, room)
