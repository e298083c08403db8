"""submit: a job or a sweep is checked against what the broker knows, and made durable.

Nothing is estimated here: the cycle does that to what is SUBMITTED, so that submitting is fast and
needs no model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, BinaryIO

from headgate.errors import Conflict, Forbidden, InvalidInput, NotFound, PayloadTooLarge
from headgate.job import MAX_PAYLOAD_BYTES, Job
from headgate.sweep import Grid, Sweep
from queue_broker.core.consumables import check_needs
from queue_broker.core.hints import check_hints
from queue_broker.core.ids import new_job_id
from queue_broker.core.tables import Format, keep_table
from queue_broker.core.tenant_tree import Tree
from queue_broker.core.whole import check_whole
from queue_broker.records import Accepted, JobId, Parameters, Submission, Table

if TYPE_CHECKING:
    from headgate.tenancy import Tier
    from queue_broker.core.group_commit import GroupCommit
    from queue_broker.core.limits import Limits
    from queue_broker.ports import Clock, Store
    from queue_broker.settings import Settings

#: What may stand for a job's own id, which nobody knows before it is submitted.
ITSELF = "self"
#: What a job may wait for; where AWS Batch may have it and the broker does not, what to do.
BEFORE = "the id of a job submitted before"
ON_AWS = (
    f"{BEFORE} to this broker, which waits for none that AWS Batch alone has: submit that one here"
    " too, or this one without it once that has SUCCEEDED"
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the tenant that the token stands for. None where the broker is open to all."""

    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Extent:
    """How many tasks a submission has, and where their parameters come from.

    `content` is the digest of a table, since another table under the same client token is another
    submission.
    """

    size: int = 1
    array: bool = False
    parameters: Parameters = Table.NONE
    content: str = ""


def refuse_definition(job: Job) -> Job:
    if job.command:
        return job
    raise InvalidInput.of("definition", job.definition, "a job definition that this broker knows")


@dataclass(frozen=True, slots=True)
class Submitter:
    """The one way in. `define` gives a job what its job definition says and it does not say itself
    (`InvalidInput`: none); a job that is `defined` has it already.
    """

    settings: Settings
    store: Store
    commit: GroupCommit
    clock: Clock
    define: Callable[[Job], Job] = refuse_definition
    limits: Limits | None = None  #: None: the settings' tiers for good

    async def submit(self, work: Job | Sweep, caller: Caller, *, defined: bool = False) -> Accepted:
        """Durable when it returns. `InvalidInput`, `Forbidden`, `Conflict`, `Unavailable`."""
        job = work if isinstance(work, Job) else work.job
        if reads_store(job, caller, defined) or (self.limits is not None and self.limits.stale):
            submission = await asyncio.to_thread(self.prepare, work, caller, defined)
        else:
            submission = self.prepare(work, caller, defined)
        try:
            return await self.commit.add(submission)
        except NotFound as error:
            wrong = await asyncio.to_thread(self._missing_dependency, submission.job)
            raise wrong or error from error

    def submit_table(self, job: Job, caller: Caller, file: BinaryIO, kind: Format) -> Accepted:
        """As `submit`, for a table in a file that can be sought; all of it or nothing."""
        content = file_digest(file) if job.client_token else ""
        extent = Extent(1, True, Table.CHUNKS, content)
        submission = self._submission(self.defined(job), caller, extent)
        try:
            return keep_table(self.store, submission, file, kind)
        except NotFound as error:
            wrong = self._missing_dependency(submission.job)
            raise wrong or overtaken(submission.job) or error from error

    def prepare(self, work: Job | Sweep, caller: Caller, defined: bool = False) -> Submission:
        """The submission, with tier and tenant settled."""
        job, extent = (work, Extent()) if isinstance(work, Job) else (work.job, extent_of(work))
        return self._submission(job if defined else self.defined(job), caller, extent)

    def defined(self, job: Job) -> Job:
        """The job with what its definition says. `InvalidInput`."""
        check_looked_for(job)
        return self.define(job) if job.definition else job

    def tiers(self) -> Sequence[Tier]:
        """Those that jobs may name now."""
        return self.settings.tiers if self.limits is None else self.limits.lately().tiers

    def tenant_of(self, job: Job, caller: Caller) -> str:
        """The tenant that pays: the job's own where the caller may act for it."""
        if job.tenant is None:
            return self.settings.tenant_of(job, caller.tenant)
        self.allow(caller, job.tenant)
        return job.tenant

    def allow(self, caller: Caller, tenant: str) -> None:
        """`Forbidden` unless the tenant is the caller's own, or below it."""
        if caller.tenant is None or tenant == caller.tenant:
            return
        tree = Tree({one.name: one for one in self.store.tenants()})
        if not tree.is_below(tenant, caller.tenant):
            raise Forbidden(f"the token is of tenant {caller.tenant!r}, not of {tenant!r}")

    def _missing_dependency(self, job: Job) -> InvalidInput | None:
        """Which dependency it was that the store could not find."""
        for at, dependency in enumerate(job.depends_on):
            try:
                self.store.job(JobId(dependency.job_id))
            except NotFound:
                allowed = ON_AWS if self.settings.engine == "aws" else BEFORE
                return InvalidInput.of(f"depends_on.{at}.job_id", dependency.job_id, allowed)
        return None

    def _submission(self, job: Job, caller: Caller, extent: Extent) -> Submission:
        now_s = self.clock()
        check_itself(job)
        check_hints(job, extent.size)
        check_needs(job)
        if extent.array and self.settings.engine == "aws":
            check_whole(job, extent.size, extent.parameters)
        template = job.model_dump_json()
        return Submission(
            job_id=new_job_id(now_s),
            job=job,
            tenant=self.tenant_of(job, caller),
            tier=self.settings.tier_of(job, self.tiers(), array=extent.array).name,
            submitted_at_s=now_s,
            digest=digest(template, extent) if job.client_token else "",
            template=template,
            size=extent.size,
            array=extent.array,
            parameters=extent.parameters,
        )


def reads_store(job: Job, caller: Caller, defined: bool = False) -> bool:
    """Whether preparing has to ask the database, which would hold the event loop."""
    for_another = caller.tenant is not None and job.tenant not in (None, caller.tenant)
    return for_another or bool(job.definition and not defined)


def digest(template: str, extent: Extent) -> str:
    """Of all that was asked for; needed only where a client token can bring it twice."""
    grid = extent.parameters
    axes = grid.model_dump_json() if isinstance(grid, Grid) else ""
    parts = (template, axes, str(extent.size), extent.content)
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def file_digest(file: BinaryIO) -> str:
    """Of a file's bytes, from its start; the file is left at its start again."""
    file.seek(0)
    hashed = blake2b(digest_size=16)
    while piece := file.read(1 << 20):
        hashed.update(piece)
    file.seek(0)
    return hashed.hexdigest()


def extent_of(sweep: Sweep) -> Extent:
    check_template(sweep.job)
    return Extent(sweep.tasks, True, sweep.grid or Table.NONE)


def check_template(job: Job) -> None:
    """A sweep may be large; the job that it repeats may not."""
    size = len(job.model_dump_json(exclude_unset=True))
    if size > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge.of("job", f"{size:,} bytes", f"at most {MAX_PAYLOAD_BYTES:,} bytes")


def check_looked_for(job: Job) -> None:
    """What the database is asked for may hold no NUL, which PostgreSQL's text cannot."""
    names = {f"depends_on.{at}.job_id": one.job_id for at, one in enumerate(job.depends_on)}
    looked_for = names | {"client_token": job.client_token, "definition": job.definition}
    for field, text in looked_for.items():
        if text and "\0" in text:
            raise InvalidInput.of(field, text, "text without NUL")


def check_itself(job: Job) -> None:
    """Only a SEQUENTIAL sweep waits for itself, each of its tasks for the one before; and such a
    one for nobody else: of the job that it names, it would not wait for the end."""
    for at, dependency in enumerate(job.depends_on):
        itself, field = dependency.job_id in (ITSELF, job.name), f"depends_on.{at}.job_id"
        if dependency.type == "SEQUENTIAL" and not itself:
            allowed = "self, with type SEQUENTIAL; without a type the id of another job"
            raise InvalidInput.of(field, dependency.job_id, allowed)
        if dependency.type != "SEQUENTIAL" and itself:
            allowed = "the id of another job; only a sweep waits for itself, with type SEQUENTIAL"
            raise InvalidInput.of(field, dependency.job_id, allowed)


def overtaken(job: Job) -> Conflict | None:
    """Who sends a table under a token again takes over from who still sends it."""
    token = job.client_token
    words = f"client_token: a table was sent again with {token!r} meanwhile; that call is answered"
    return Conflict(words) if token else None
