"""The client: submits jobs to a broker, and asks about them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from itertools import islice
from types import TracebackType
from typing import Any, Self, overload
from uuid import uuid4

import httpx

from headgate import calls
from headgate.batch_kwargs import from_batch
from headgate.errors import InvalidInput
from headgate.flows import Call, Flow, Lost, Pause, Reply, Sync, T, operation, send
from headgate.handles import JobHandle, SweepHandle
from headgate.job import Job, Scalar
from headgate.sweep import MAX_AXIS_VALUES, Sweep
from headgate.uploads import Table, scalar, upload
from headgate.validation import parse
from headgate.views import Foretold, JobList, JobView, Models, QueueView, Submitted

DEFAULT_URL = "http://127.0.0.1:8470"
#: For the broker to take a connection, and to answer an ordinary request.
TIMEOUT = httpx.Timeout(30.0, connect=5.0)

Axes = Mapping[str, Iterable[Scalar]]


class Operations:
    """What both clients can do beyond submitting."""

    @operation
    def jobs(  # noqa: PLR0913 - filters, which are named and left out at will
        self,
        *,
        tenant: str | None = None,
        tier: str | None = None,
        queue: str | None = None,
        name: str | None = None,
        state: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Flow[JobList]:
        """A page of jobs, newest first; `after` is the page's `next` (limit: at most 1000)."""
        chosen = {"tenant": tenant, "tier": tier, "queue": queue, "name": name, "state": state}
        return (yield from send(calls.jobs(**chosen, after=after, limit=limit)))

    @operation
    def describe(self, job_id: str) -> Flow[JobView]:
        """All that the broker tells of a job."""
        return (yield from send(calls.job(job_id)))

    @operation
    def estimate(self, job: Job) -> Flow[Foretold]:
        """What a job would get if it were submitted now; nothing is submitted."""
        return (yield from send(calls.estimate(checked(job))))

    @operation
    def queue(self, limit: int = 100) -> Flow[QueueView]:
        """What waits and runs, and why what waits does."""
        return (yield from send(calls.queue(limit)))

    @operation
    def models(self) -> Flow[Models]:
        """The published models, and the one that speaks now."""
        return (yield from send(calls.models()))


class Client(Sync, Operations):
    """Speaks to one broker; may be shared between threads, and closed with `with`.

    `url` and `token` default to HEADGATE_URL (else http://127.0.0.1:8470) and HEADGATE_TOKEN.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(transport=transport, **connection(url, token))
        self.url = str(self._http.base_url)

    @overload
    def submit(self, job: Job, /) -> JobHandle: ...
    @overload
    def submit(self, /, **batch_kwargs: Any) -> JobHandle | SweepHandle: ...

    def submit(self, job: Job | None = None, /, **batch_kwargs: Any) -> JobHandle | SweepHandle:
        """Submit a job, or what boto3's `submit_job` would have submitted."""
        work, call = submission(job, batch_kwargs)
        done = self.run(send(call))
        if isinstance(work, Sweep):
            return SweepHandle(self, done.job_id, work.job.name)
        return JobHandle(self, done.job_id, work.name)

    def submit_sweep(
        self,
        job: Job,
        *,
        grid: Axes | None = None,
        table: Table | None = None,
        size: int | None = None,
    ) -> SweepHandle:
        """Submit many tasks made from one template: all combinations of a grid's axes, a row of a
        table each, or `size` tasks told apart by AWS_BATCH_JOB_ARRAY_INDEX."""
        done = self.run(send(sweep_submission(job, grid, table, size)))
        return SweepHandle(self, done.job_id, job.name)

    def job(self, job_id: str) -> JobHandle:
        """The handle of a job that was submitted before."""
        return JobHandle(self, job_id)

    def sweep(self, job_id: str) -> SweepHandle:
        """The handle of a sweep that was submitted before."""
        return SweepHandle(self, job_id)

    def run(self, flow: Flow[T]) -> T:
        result: Reply | Lost | None = None
        try:
            while True:
                step = flow.send(result)
                result = None
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                else:
                    result = self._transmit(step)
        except StopIteration as end:
            done: T = end.value
            return done
        finally:
            flow.close()

    def _transmit(self, call: Call[Any]) -> Reply | Lost:
        content = call.body() if callable(call.body) else call.body
        try:
            return reply(self._http.request(content=content, **request(call)))
        except httpx.TransportError as error:
            return lost(self.url, error)

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def connection(url: str | None, token: str | None) -> dict[str, Any]:
    """What either httpx client is made with."""
    address = url or os.environ.get("HEADGATE_URL") or DEFAULT_URL
    secret = (token or os.environ.get("HEADGATE_TOKEN") or "").strip()
    if secret and not (secret.isascii() and secret.isprintable()):
        allowed = "printable ASCII, as headers carry it"
        raise InvalidInput.of("HEADGATE_TOKEN", f"{len(secret)} characters", allowed)
    try:
        base = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise InvalidInput.of("HEADGATE_URL", address, f"a URL ({error})") from error
    if base.scheme not in ("http", "https") or not base.host:
        raise InvalidInput.of("HEADGATE_URL", address, "a URL such as http://127.0.0.1:8470")
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    # Without TLS, and as nothing is redirected, no certificates need be read, which takes 50 ms.
    encrypted = base.scheme == "https"
    return {"base_url": base, "headers": headers, "timeout": TIMEOUT, "verify": encrypted}


def request(call: Call[Any]) -> dict[str, Any]:
    """What httpx's `request` is called with, save the body."""
    read_s = 30.0 + call.wait_s
    return {
        "method": call.method,
        "url": call.path,
        "params": dict(call.query),
        "headers": dict(call.headers),
        "timeout": httpx.Timeout(read_s, connect=5.0),
    }


def reply(response: httpx.Response) -> Reply:
    return Reply(response.status_code, response.content, response.headers.get("retry-after"))


def lost(url: str, error: httpx.TransportError) -> Lost:
    """Why there is no answer. Only a connection that was never made surely sent nothing."""
    unsent = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    return Lost(url, str(error) or type(error).__name__, sent=not unsent)


def submission(
    job: Job | None, batch_kwargs: Mapping[str, Any]
) -> tuple[Job | Sweep, Call[Submitted]]:
    """What is submitted, and the call that does it, with a client token of its own."""
    if (job is None) == (not batch_kwargs):
        raise InvalidInput("submit takes either a headgate.Job or boto3's submit_job arguments")
    work = checked(job) if job is not None else from_batch(batch_kwargs)
    if isinstance(work, Sweep):
        return work, calls.submit_sweep(work.model_copy(update={"job": with_token(work.job)}))
    return work, calls.submit(with_token(work))


def checked(job: object) -> Job:
    """Nobody's type checker has to run; a dictionary is the usual slip."""
    if not isinstance(job, Job):
        raise InvalidInput.of(
            "job", job, "a headgate.Job, as in headgate.Job(name=..., command=...)"
        )
    return job


def sweep_submission(
    job: Job, grid: Axes | None, table: Table | None, size: int | None
) -> Call[Submitted]:
    """The call that submits a sweep of the one kind that was given."""
    job = with_token(checked(job))
    given = [
        name
        for name, value in (("grid", grid), ("table", table), ("size", size))
        if value is not None
    ]
    if len(given) != 1:
        raise InvalidInput.of("sweep", ", ".join(given) or "nothing", "one of grid, table or size")
    if table is not None:
        sent = upload(job.model_dump_json(exclude_unset=True).encode(), table)
        return calls.submit_table(sent.content_type, sent.body, sent.repeatable)
    if grid is None:
        return calls.submit_sweep(parse(Sweep, {"job": job, "size": size}))
    if not isinstance(grid, Mapping):
        raise InvalidInput.of("grid", grid, "the axes by name, as in {'rate': [0.1, 0.3]}")
    axes = {name: axis(name, values) for name, values in grid.items()}
    return calls.submit_sweep(parse(Sweep, {"job": job, "grid": {"axes": axes}}))


def axis(name: str, values: Iterable[Scalar]) -> list[Scalar]:
    """An axis spelt out. Text is refused: its letters are hardly meant; and what is longer than
    can be sent, before an endless iterator takes all memory."""
    field = f"grid.{name}"
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidInput.of(field, values, "a list of values")
    found = [scalar(value) for value in islice(values, MAX_AXIS_VALUES + 1)]
    if len(found) > MAX_AXIS_VALUES:
        allowed = f"at most {MAX_AXIS_VALUES:,} values; more want to be a table"
        raise InvalidInput.of(field, values, allowed)
    return found


def with_token(job: Job) -> Job:
    """The job with a client token, so that submitting it again after a lost answer is harmless."""
    return job if job.client_token else job.model_copy(update={"client_token": uuid4().hex})
