"""A broker's HTTP edge for tests: a real server and a real store, and no cycle that moves things.

Tests move tasks themselves, through the store's own port.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import httpx
from starlette.types import Receive, Scope, Send

from headgate.errors import NotFound
from headgate.estimate import Estimate
from headgate.job import Job
from headgate.resources import Resources
from headgate.sweep import Sweep
from headgate.views import Training
from predictor.explanation import Explanation
from queue_broker.adapters.store.shelf import SqlShelf
from queue_broker.adapters.store.store import SqlStore
from queue_broker.api.app import create_app
from queue_broker.api.express import Busiest, Express, ExpressProtocol
from queue_broker.api.services import Services
from queue_broker.core.group_commit import GroupCommit
from queue_broker.core.insights import Insights
from queue_broker.core.limits import Limits
from queue_broker.core.parameters import Parameters
from queue_broker.core.submit import Caller, Submitter
from queue_broker.records import JobId, Lane, Leak, LogPage, Split, Tasks
from queue_broker.settings import Settings
from queue_broker.verdicts import Judged
from tests.factories import START_S, an_estimate, an_intent, starts, taken
from tests.served import Server

PATIENCE_S = 10.0


@dataclass(slots=True)
class Fleet:
    """An engine that runs nothing, and a registry of models: what the read service looks at."""

    name: str = "none"
    texts: dict[tuple[str, int], str] = field(default_factory=dict)
    published: list[str] = field(default_factory=list)
    noted: list[Training] = field(default_factory=list)

    def lanes(self) -> list[Lane]:
        small, big = Resources(2, 4096), Resources(16, 65536)
        return [Lane("small", small), Lane("big", big), Lane("shut", big, closed="no capacity")]

    def logs(self, leak: str, task: int, after: str | None, limit: int) -> LogPage:
        text = self.texts.get((leak, task))
        if text is None:
            raise NotFound("no log")
        start = int(after or 0)
        piece = text[start : start + limit]
        return LogPage(piece, str(start + len(piece)), ended=start + len(piece) >= len(text))

    def current_version(self) -> str | None:
        return self.published[-1] if self.published else None

    def versions(self) -> list[str]:
        return self.published

    def trainings(self) -> list[Training]:
        return self.noted


class Edge:
    """The parts under test, on one SQLite file."""

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.now_s = START_S
        self.store = SqlStore(url, lambda: START_S)
        self.fleet = Fleet()
        self.problems: list[str] = []
        self.troubles: list[str] = []
        self.changes = 0
        self.commit = GroupCommit(self.store)
        self.limits = Limits(
            self.store,
            SqlShelf(self.store.database),
            self.settings.tiers,
            lambda: self.now_s,
            self.settings.needed_tiers,
        )
        self.submitter = Submitter(
            self.settings, self.store, self.commit, lambda: self.now_s, limits=self.limits
        )
        self.insights = Insights(
            self.settings,
            self.store,
            self.fleet,  # type: ignore[arg-type]  # it has the part that is read
            self.fleet,  # type: ignore[arg-type]
            Parameters(self.store),
            self.limits,
            lambda job, mode: Explanation(self.foretell(job, mode), {"train": 12}, {"bytes": 0.7}),
        )

    def foretell(self, job: Job, mode: str) -> Estimate:
        memory_mib = job.resources.memory_mib or 1024
        return an_estimate(memory_mib, why=f"leaning to {mode}")

    def changed(self) -> None:
        self.changes += 1

    def services(self) -> Services:
        return Services(
            submitter=self.submitter,
            insights=self.insights,
            store=self.store,
            limits=self.limits,
            tokens=self.settings.tokens,
            problems=lambda: self.problems,
            troubles=lambda: self.troubles,
            changed=self.changed,
        )

    def add(self, work: Job | Sweep) -> JobId:
        """Submitted, behind the API's back."""
        submission = self.submitter.prepare(work, Caller())
        self.store.add([submission])
        return submission.job_id

    def estimate(self, job_id: JobId, memory_mib: int = 1024) -> None:
        """SUBMITTED -> RUNNABLE."""
        group = self.store.groups(job_id)[0]
        self.store.estimated([(group, [Split(group.waiting, an_estimate(memory_mib))])])

    def leak(self, job_id: JobId, tasks: Tasks | None = None) -> Leak:
        """RUNNABLE -> RUNNING."""
        group = next(g for g in self.store.groups(job_id) if g.waiting)
        leak = self.store.write_intents([an_intent(group, tasks)], START_S)[0]
        self.store.handed_over(taken([leak]), START_S)
        self.store.started(starts(leak))
        return leak

    def settle(self, judged: list[Judged]) -> None:
        self.store.settle(judged)


class Stage:
    """A server in a thread of this process, that serves one application after another.

    Starting one for each test would take longer than most tests.
    """

    def __init__(self) -> None:
        self._app: Express | None = None
        self._server = Server(self, http=ExpressProtocol)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._app is not None, "nobody is on stage"
        await self._app(scope, receive, send)

    @property
    def busiest(self) -> Busiest:
        return {} if self._app is None else self._app.busiest

    @property
    def tasks(self) -> int:
        """How many requests are under way."""
        return self._server.tasks

    def open(self) -> str:
        """Start; the address."""
        return self._server.open()

    def close(self) -> None:
        self._server.close()

    @contextmanager
    def playing(self, app: Express) -> Iterator[None]:
        self._app = app
        try:
            yield
        finally:
            self._app = None

    @contextmanager
    def showing(self, edge: Edge) -> Iterator[None]:
        with self.playing(create_app(edge.services())), closing(edge.store):
            yield


def opened() -> Iterator[tuple[Stage, str]]:
    """A stage and its address, for as long as a fixture lasts."""
    stage = Stage()
    yield stage, stage.open()
    stage.close()


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and words of an error answer."""
    body = answer.json()
    return answer.status_code, body["message"]
