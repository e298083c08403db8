"""Job definitions, one for each container that jobs run in, not one a job.

A definition says what SubmitJob cannot: image, roles, mounts, logging; and it carries the shim. The
shape goes into each submission. It is named by a digest of all that, so that any replica finds it.
Of a multi-node job it is a copy: the broker may submit its own definitions alone, and one that is
deregistered while its jobs wait still runs them.
"""

from __future__ import annotations

import hashlib
import json
import logging
from threading import RLock
from typing import TYPE_CHECKING, Any

from headgate.errors import InvalidInput, Unavailable
from headgate.job import Job
from queue_broker import containers
from queue_broker.adapters.engines.aws.cargo import SHIM_VARIABLE
from queue_broker.adapters.engines.aws.faults import FAILED, calling, is_refused, words
from queue_broker.adapters.engines.aws.fleet import STACK_TAG
from queue_broker.adapters.engines.shim import script
from queue_broker.core.whole import SHIM_TAG
from queue_broker.nodes import NODE_PROPERTIES

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

    from queue_broker.settings import AwsSettings

log = logging.getLogger(__name__)

#: What every submission overrides; a definition has to say something.
PLACEHOLDERS = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "128"}]
#: Not for a job without a command: nothing overrides it, and the image's own is to run.
PLACEHOLDER_COMMAND = {"command": ["true"]}
DEFAULT_GROUP = "/aws/batch/job"
BARE = "%s runs no shim: its jobs go as they are from now on, and are not measured"
NOT_OURS = {"vcpus", "memory", "resourceRequirements", "command", "environment"}


class Definitions:
    """Finds or registers definitions, and remembers them. Thread-safe."""

    def __init__(self, batch: BatchClient, settings: AwsSettings) -> None:
        self._batch: Any = batch
        self._settings = settings
        self._arns: dict[str, str] = {}
        self._sources: dict[str, dict[str, Any]] = {}
        self._runs: dict[str, bool] = {}
        self._lock = RLock()

    def arn_for(self, job: Job) -> str:
        """The definition to submit the job with; `InvalidInput` where it cannot run as containers.

        `Unavailable` when AWS does not answer.
        """
        with self._lock:
            what = self._nodes(job) if NODE_PROPERTIES in job.batch else self._container(job)
            name = name_of(self._settings.stack, what)
            if name not in self._arns:
                self._arns[name] = self._find(name) or self._register(name, what)
            return self._arns[name]

    def tags_of(self, job: Job) -> dict[str, str]:
        """Those of the definition that it names. `Unavailable`."""
        source = self._source(job.definition) if job.definition else {}
        return dict(source.get("tags", {}))

    def runs(self, job: Job) -> bool | None:
        """Whether containers of the job's image run the shim, where that is known. `InvalidInput`,
        `Unavailable`."""
        return self._runs.get(self.arn_for(job))

    def learn(self, job: Job, runs: bool) -> None:
        """How it was. That it does not is tagged, since that outlives the broker."""
        arn = self.arn_for(job)
        news = self._runs.get(arn) is not runs
        self._runs[arn] = runs
        if news and not runs:
            log.warning(BARE, job.definition or job.image, extra={"action": "no_shim"})
            self._tag(arn)

    def _tag(self, arn: str) -> None:
        """Without it the next broker tries the image once more."""
        try:
            with calling("batch:TagResource"):
                self._batch.tag_resource(resourceArn=arn, tags={SHIM_TAG: "off"})
        except Unavailable as error:
            log.warning("%s", error, extra={"action": "no_shim"})

    def forget(self, arn: str) -> None:
        """Somebody deregistered it, or its source: look again at the next submission."""
        with self._lock:
            self._arns = {name: known for name, known in self._arns.items() if known != arn}
            self._sources.clear()

    def _nodes(self, job: Job) -> dict[str, Any]:
        source = self._source(job.definition or "")
        if NODE_PROPERTIES not in source:
            raise InvalidInput.of("jobDefinition", job.definition, "a multi-node one that AWS has")
        properties = source[NODE_PROPERTIES]
        ranges = [self._range(one) for one in properties["nodeRangeProperties"]]
        return {NODE_PROPERTIES: {**properties, "nodeRangeProperties": ranges}}

    def _range(self, given: dict[str, Any]) -> dict[str, Any]:
        if "container" not in given:
            return given
        own = self._settings.roles() | log_options(self._settings)
        return {**given, "container": own | given["container"]}

    def _container(self, job: Job) -> dict[str, Any]:
        found = self._source(job.definition) if job.definition else {}
        source = containers.on_instances(found) if found else {}
        image = source.get("image") or job.image or self._settings.image
        if not image:
            raise InvalidInput.of("image", job.image, "a container image, or a job definition")
        plain = {name: value for name, value in source.items() if name not in NOT_OURS and value}
        said = {one["name"]: one["value"] for one in source.get("environment", ())}
        said[SHIM_VARIABLE] = script()
        return (
            self._settings.roles()
            | log_options(self._settings)
            | plain
            | {
                "image": image,
                **(PLACEHOLDER_COMMAND if job.command else {}),
                "environment": [{"name": name, "value": one} for name, one in sorted(said.items())],
                "resourceRequirements": PLACEHOLDERS,
            }
        )

    def _source(self, given: str) -> dict[str, Any]:
        """The definition that the job names, also of a revision that somebody has deregistered
        since: as in Batch, what was submitted before still runs. Empty where AWS has none of it:
        then it is the broker's own, and all that it says is in the job already."""
        if given in self._sources:
            return self._sources[given]
        newest_of = {"jobDefinitionName": given, "status": "ACTIVE"}
        named = {"jobDefinitions": [given]} if ":" in given else newest_of
        with calling("batch:DescribeJobDefinitions"):
            found = self._batch.describe_job_definitions(**named)["jobDefinitions"]
        newest = max(found, key=lambda one: one["revision"], default=None)
        self._sources[given] = newest or {}
        return self._sources[given]

    def _find(self, name: str) -> str | None:
        with calling("batch:DescribeJobDefinitions"):
            answer = self._batch.describe_job_definitions(jobDefinitionName=name, status="ACTIVE")
        if not answer["jobDefinitions"]:
            return None
        found = answer["jobDefinitions"][0]
        arn = str(found["jobDefinitionArn"])
        if found.get("tags", {}).get(SHIM_TAG) == "off":
            self._runs[arn] = False
        return arn

    def _register(self, name: str, what: dict[str, Any]) -> str:
        """What AWS refuses is the job's own fault (`InvalidInput`), and no other's."""
        try:
            answer = self._batch.register_job_definition(
                jobDefinitionName=name,
                **(of_nodes(what) if NODE_PROPERTIES in what else of_container(what)),
                tags={STACK_TAG: self._settings.stack},
            )
        except FAILED as error:
            why = words("batch:RegisterJobDefinition", error)
            raise (InvalidInput if is_refused(error) else Unavailable)(why) from error
        return str(answer["jobDefinitionArn"])


def of_container(container: dict[str, Any]) -> dict[str, Any]:
    return {"type": "container", "containerProperties": container}


def of_nodes(what: dict[str, Any]) -> dict[str, Any]:
    return {"type": "multinode", **what}


def log_options(settings: AwsSettings) -> dict[str, Any]:
    """Where output goes. Batch's own group, which it makes itself, need not be said."""
    if settings.log_group == DEFAULT_GROUP:
        return {}
    options = {"awslogs-group": settings.log_group}
    return {"logConfiguration": {"logDriver": "awslogs", "options": options}}


def name_of(stack: str, container: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(container, sort_keys=True).encode()).hexdigest()
    return f"{stack}-{digest[:16]}"
