"""Sweeps from a table: opened, filled chunk by chunk, and seen by nobody until they are sealed."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, update
from sqlalchemy import insert as plain_insert

from headgate.errors import Conflict, NotFound
from headgate.lifecycle import State
from queue_broker.adapters.store import codec, intake
from queue_broker.adapters.store.schema import chunks, jobs
from queue_broker.adapters.store.working import COUNT_OF
from queue_broker.records import Accepted, Chunk, JobId, Submission, Table


def begin(connection: Connection, submission: Submission) -> Accepted:
    """Open a table sweep; an unfinished upload under the same client token is dropped for it."""
    opened = replace_size(submission, 0)
    for answer in intake.known(connection, [opened]).values():
        if isinstance(answer, Exception):
            raise answer
        return answer
    targets = intake.find_targets(connection, [opened])
    intake.check_dependencies(opened, targets)
    drop_open(connection, opened)
    numbers = intake.insert_jobs(connection, [opened])
    if opened.job_id not in numbers:
        answer = intake.answer_of(connection, opened, numbers)
        if isinstance(answer, Exception):
            raise answer
        return answer
    intake.insert_dependencies(connection, [opened], numbers, targets)
    return Accepted(opened.job_id)


def replace_size(submission: Submission, size: int) -> Submission:
    return Submission(
        submission.job_id,
        submission.job,
        submission.tenant,
        submission.tier,
        submission.submitted_at_s,
        submission.digest,
        size,
        array=True,
        parameters=Table.CHUNKS,
    )


def drop_open(connection: Connection, submission: Submission) -> None:
    token = submission.job.client_token
    if token is not None:
        same = (jobs.c.submitted_as == submission.tenant) & (jobs.c.client_token == token)
        connection.execute(delete(jobs).where(same, ~jobs.c.sealed))


def lock_open(connection: Connection, job_id: JobId) -> int:
    """The number of an open table sweep. `NotFound`, `Conflict` when it is sealed."""
    query = select(jobs.c.number, jobs.c.sealed).where(jobs.c.job_id == job_id)
    row = connection.execute(query.with_for_update(key_share=True)).first()
    if row is None:
        raise NotFound(f"there is no open sweep {job_id!r}")
    if row.sealed:
        raise Conflict(f"sweep {job_id!r} is sealed already")
    return int(row.number)


def add_chunk(connection: Connection, job_id: JobId, chunk: Chunk) -> None:
    number = lock_open(connection, job_id)
    row = {"job": number, "first": chunk.first, "rows": chunk.rows, "data": chunk.data}
    connection.execute(plain_insert(chunks), [row])


def seal(connection: Connection, job_id: JobId, size: int) -> None:
    number = lock_open(connection, job_id)
    check_chunks(connection, job_id, number, size)
    query = select(jobs).where(jobs.c.number == number)
    row = connection.execute(query).one()
    submission = Submission(
        job_id, codec.load_job(row.template), row.tenant, row.tier, row.submitted_at_s, row.digest,
        size, array=True, parameters=Table.CHUNKS,
    )  # fmt: skip
    intake.check_dependencies(submission, intake.find_targets(connection, [submission]))
    values = {"size": size, "sealed": True, COUNT_OF[State.SUBMITTED]: size}
    connection.execute(update(jobs).where(jobs.c.number == number).values(values))
    intake.open_groups(connection, [(number, submission)])


def check_chunks(connection: Connection, job_id: JobId, number: int, size: int) -> None:
    """The chunks must be as many rows as the sweep has tasks, without a gap."""
    spans = select(chunks.c.first, chunks.c.rows).where(chunks.c.job == number)
    expected = 0
    for first, rows in connection.execute(spans.order_by(chunks.c.first)):
        if first != expected:
            raise Conflict(f"sweep {job_id!r}: the chunk after row {expected} begins at {first}")
        expected += rows
    if expected != size or not size:
        raise Conflict(f"sweep {job_id!r}: {expected} rows were kept, {size} were to be sealed")


def drop(connection: Connection, job_id: JobId) -> None:
    connection.execute(delete(jobs).where(jobs.c.job_id == job_id, ~jobs.c.sealed))
