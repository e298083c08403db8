"""submit: a batch becomes durable in one transaction, each of it once by its client token."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, select

from headgate.errors import Conflict, HeadgateError, InvalidInput, NotFound
from headgate.job import Dependency
from headgate.lifecycle import State
from queue_broker.adapters.store import codec
from queue_broker.adapters.store.bulk import insert_new, insert_rows
from queue_broker.adapters.store.dialects import among, insert, is_postgres, some, these
from queue_broker.adapters.store.ledger import add_to_backlogs
from queue_broker.adapters.store.schema import backlogs, dependencies, groups, jobs, tenants
from queue_broker.adapters.store.working import COUNT_OF
from queue_broker.records import Accepted, JobId, Submission

Answer = Accepted | Exception


@dataclass(frozen=True, slots=True)
class Target:
    """A job that a submission depends on, as far as the check needs it."""

    number: int
    size: int
    is_array: bool


def add(connection: Connection, submissions: Sequence[Submission]) -> list[Answer]:
    """All that can be accepted is; the answers stand in the order of the submissions."""
    answers: dict[int, Answer] = known(connection, submissions)
    targets = find_targets(connection, submissions)
    fresh: list[Submission] = []
    for place, submission in enumerate(submissions):
        if place in answers:
            continue
        try:
            check_dependencies(submission, targets)
        except HeadgateError as error:
            answers[place] = error
            continue
        own = Target(-1, submission.size, submission.array)
        targets.setdefault(submission.job_id, own)  # later ones of the batch may depend on it
        fresh.append(submission)
    numbers = insert_jobs(connection, fresh)
    open_groups(connection, [(numbers[s.job_id], s) for s in fresh if s.job_id in numbers])
    insert_dependencies(connection, fresh, numbers, targets)
    return [
        answers[place] if place in answers else answer_of(connection, submission, numbers)
        for place, submission in enumerate(submissions)
    ]


def known(connection: Connection, submissions: Sequence[Submission]) -> dict[int, Answer]:
    """Answers to submissions whose client token was seen before, here or earlier in the batch."""
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, submission in enumerate(submissions):
        if submission.job.client_token is not None:
            places[submission.tenant, submission.job.client_token].append(place)
    answers: dict[int, Answer] = {}
    seen = find_tokens(connection, list(places))
    for key, same in places.items():
        first = submissions[same[0]]
        repeats = same if key in seen else same[1:]
        seen.setdefault(key, (first.job_id, first.digest))
        for place in repeats:
            answers[place] = repeated(submissions[place], *seen[key])
    return answers


def find_tokens(
    connection: Connection, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], tuple[str, str]]:
    """(job id, digest) by (tenant, client token)."""
    if not keys:
        return {}
    given = these(connection, jobs.c.client_token, {token for _, token in keys})
    given |= these(connection, jobs.c.submitted_as, {tenant for tenant, _ in keys})
    found = connection.execute(select_tokens(is_postgres(connection)), given)
    wanted = set(keys)
    return {(r[0], r[1]): (r[2], r[3]) for r in found if (r[0], r[1]) in wanted}


@cache
def select_tokens(postgres: bool) -> Select[Any]:
    columns = (jobs.c.submitted_as, jobs.c.client_token, jobs.c.job_id, jobs.c.digest)
    mine = (some(postgres, jobs.c.client_token), some(postgres, jobs.c.submitted_as))
    return select(*columns).where(*mine, jobs.c.sealed)


def repeated(submission: Submission, job_id: str, digest: str) -> Answer:
    if submission.digest == digest:
        return Accepted(JobId(job_id), known=True)
    token = submission.job.client_token
    return Conflict(f"client_token: {token!r} was used for another submission, job {job_id}")


def find_targets(connection: Connection, submissions: Sequence[Submission]) -> dict[str, Target]:
    wanted = {d.job_id for submission in submissions for d in submission.job.depends_on if d.job_id}
    if not wanted:
        return {}
    query = select(jobs.c.job_id, jobs.c.number, jobs.c.size, jobs.c.is_array)
    query = query.where(among(connection, jobs.c.job_id, wanted), jobs.c.sealed)
    return {row[0]: Target(*row[1:]) for row in connection.execute(query)}


def check_dependencies(submission: Submission, targets: dict[str, Target]) -> None:
    """`NotFound` or `InvalidInput`, naming the dependency that cannot be."""
    for place, dependency in enumerate(submission.job.depends_on):
        field = f"depends_on.{place}"
        if dependency.type == "SEQUENTIAL":
            if not submission.array:
                raise InvalidInput.of(f"{field}.type", "SEQUENTIAL", "only in a sweep")
            continue
        if dependency.job_id == submission.job_id:
            raise InvalidInput.of(f"{field}.job_id", dependency.job_id, "another job, not itself")
        target = targets.get(dependency.job_id)
        if target is None:
            raise NotFound(f"{field}.job_id: there is no job {dependency.job_id!r} to depend on")
        check_n_to_n(field, dependency, submission, target)


def check_n_to_n(field: str, on: Dependency, submission: Submission, target: Target) -> None:
    same = submission.array and target.is_array and submission.size == target.size
    # A table's size is known only when it is sealed; it is checked again then.
    if on.type == "N_TO_N" and not same and submission.size:
        got = f"N_TO_N between {submission.size} and {target.size} tasks"
        raise InvalidInput.of(f"{field}.type", got, "two sweeps with as many tasks")


def insert_jobs(connection: Connection, submissions: Sequence[Submission]) -> dict[JobId, int]:
    """Insert what no other replica inserted meanwhile; the numbers of those that came in."""
    if not submissions:
        return {}
    rows = [job_values(submission) for submission in submissions]
    found = insert_new(connection, jobs, rows, ("job_id", "number"))
    return {JobId(job_id): number for job_id, number in found}


def job_values(submission: Submission) -> dict[str, Any]:
    job = submission.job
    return {
        "job_id": submission.job_id,
        "template": submission.template or codec.dump_job(job),
        "parameters": codec.dump_parameters(submission.parameters),
        "name": job.name,
        "queue": job.queue,
        "tenant": submission.tenant,
        "tier": submission.tier,
        "priority": job.priority,
        "size": submission.size,
        "is_array": submission.array,
        "sealed": submission.size > 0,
        "submitted_as": submission.tenant,
        "client_token": job.client_token,
        "digest": submission.digest,
        "submitted_at_s": submission.submitted_at_s,
        COUNT_OF[State.SUBMITTED]: 0,  # every row names the same columns
        COUNT_OF[State.RUNNABLE]: 0,
        COUNT_OF[submission.state]: submission.size,
    }


def open_groups(connection: Connection, accepted: Sequence[tuple[int, Submission]]) -> None:
    """Each job's first group, with all of its tasks."""
    if not accepted:
        return
    insert_rows(connection, groups, [group_values(n, s) for n, s in accepted])
    deltas: dict[tuple[str, str], Counter[State]] = defaultdict(Counter)
    for _, submission in accepted:
        deltas[submission.tier, submission.tenant][submission.state] += submission.size
    see(connection, deltas)
    add_to_backlogs(connection, deltas)


def group_values(number: int, submission: Submission) -> dict[str, Any]:
    nobody, given = codec.packed_range(0), submission.estimate
    return {
        "job": number,
        "attempt": 1,
        "shape": codec.shape_of(given) if given else "",
        "estimate": codec.dump_estimate(given) if given else None,
        "tenant": submission.tenant,
        "tier": submission.tier,
        "priority": submission.job.priority,
        "state": submission.state.value,
        "queued_at_s": submission.submitted_at_s,
        "waiting": codec.packed_range(submission.size),
        "starting": nobody,
        "running": nobody,
        "succeeded": nobody,
        "failed": nobody,
        "n_waiting": submission.size,
        "n_tasks": submission.size,
    }


def see(connection: Connection, pairs: Any) -> None:
    """Make rows for tiers and tenants that were never seen before."""
    named = sorted({tenant for _, tenant in pairs})
    given = these(connection, backlogs.c.tenant, named)
    seen = connection.execute(select_seen(is_postgres(connection)), given)
    if set(pairs) <= {(tier, tenant) for tier, tenant in seen}:
        return
    places = [{"tier": tier, "tenant": tenant} for tier, tenant in sorted(pairs)]
    names = [{"name": name} for name in named]
    connection.execute(insert(connection, tenants).on_conflict_do_nothing(), names)
    connection.execute(insert(connection, backlogs).on_conflict_do_nothing(), places)


@cache
def select_seen(postgres: bool) -> Select[Any]:
    return select(backlogs.c.tier, backlogs.c.tenant).where(some(postgres, backlogs.c.tenant))


def insert_dependencies(
    connection: Connection,
    fresh: Sequence[Submission],
    numbers: dict[JobId, int],
    targets: dict[str, Target],
) -> None:
    rows = [
        {
            "job": number,
            "on_job": on_job(dependency, number, numbers, targets),
            "type": dependency.type,
        }
        for submission in fresh
        if (number := numbers.get(submission.job_id)) is not None
        for dependency in submission.job.depends_on
    ]
    insert_rows(connection, dependencies, rows)


def on_job(
    dependency: Dependency, own: int, numbers: dict[JobId, int], targets: dict[str, Target]
) -> int:
    if dependency.type == "SEQUENTIAL":
        return own
    return numbers.get(JobId(dependency.job_id)) or targets[dependency.job_id].number


def answer_of(connection: Connection, submission: Submission, numbers: dict[JobId, int]) -> Answer:
    """What to say of a submission that was tried: another replica may have been quicker."""
    if submission.job_id in numbers:
        return Accepted(submission.job_id)
    key = (submission.tenant, submission.job.client_token or "")
    seen = find_tokens(connection, [key])
    if key in seen:
        return repeated(submission, *seen[key])
    query = select(jobs.c.sealed).where(jobs.c.job_id == submission.job_id)
    if connection.execute(query).first() is not None:
        return Conflict(f"job_id: {submission.job_id!r} is taken")
    return Conflict(f"client_token: a table is being sent with {key[1]!r} just now")
