"""A dashboard for tests: real pages over a real store, and tasks that the tests move themselves."""

from __future__ import annotations

import asyncio
import html
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from headgate.estimate import Source
from headgate.job import Job
from headgate.lifecycle import Cause
from headgate.sweep import Sweep
from headgate.usage import Usage
from predictor.predictor import Predictor
from queue_broker.adapters.registry import FolderRegistry
from queue_broker.api.app import create_app
from queue_broker.core.forecast import Forecaster
from queue_broker.dashboard.board import Board
from queue_broker.dashboard.routes import router
from queue_broker.records import JobId, Leak, Split, Tasks
from queue_broker.settings import Settings
from tests.factories import START_S, a_job, an_estimate, an_intent, ends, starts, taken
from tests.unit.queue_broker.api.serving import Edge

HOUR = 3600.0


@dataclass(slots=True)
class Browser:
    """Asks an application without a network in between, and keeps its cookies."""

    app: FastAPI
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)
    root_path: str = ""  #: a proxy's prefix

    def get(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._ask("GET", path, options))

    def post(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._ask("POST", path, options))

    async def _ask(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, root_path=self.root_path),
            base_url="http://testserver",
            cookies=self.cookies,
        ) as client:
            answer = await client.request(method, path, **options)
            self.cookies = client.cookies
        return answer


@dataclass(slots=True)
class Window:
    """An edge, its board, and a browser without a screen."""

    edge: Edge
    board: Board
    app: FastAPI
    client: Browser

    def live(self, path: str = "/dashboard/live", **query: str) -> dict[str, Any]:
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def words(self, part: str) -> str:
        """What a part of the overview says, without its markup."""
        return words(self.live()["parts"][part])

    def submit(self, work: Job | Sweep | None = None) -> JobId:
        return self.edge.add(work or a_job())

    def run(
        self, work: Job | Sweep | None = None, lane: str = "big", source: Source = Source.REQUEST
    ) -> Leak:
        """Submitted, estimated at 4 GiB, and running in a lane."""
        job_id = self.submit(work)
        group = self.edge.store.groups(job_id)[0]
        estimate = replace(an_estimate(4096), source=source)
        self.edge.store.estimated([(group, [Split(group.waiting, estimate)])])
        return self.run_waiting(job_id, lane)

    def run_waiting(self, job_id: JobId, lane: str = "big", tasks: Tasks | None = None) -> Leak:
        store = self.edge.store
        group = next(group for group in store.groups(job_id) if group.waiting)
        leak = store.write_intents([an_intent(group, tasks, lane)], START_S)[0]
        store.handed_over(taken([leak]), START_S)
        store.started(starts(leak))
        return leak

    def finish(self, leak: Leak, peak_memory_mib: float = 2048.0, **fields: Any) -> None:
        """An hour's work each."""
        usage = Usage(HOUR, peak_memory_mib, cpu_s=HOUR / 2)
        given: dict[str, Any] = {"usage": usage, "cause": Cause.EXITED} | fields
        self.edge.settle(ends(leak, **given))


def open_window(url: str, folder: Path, settings: Settings | None = None) -> Window:
    edge = Edge(url, settings)
    forecaster = Forecaster(Predictor(), FolderRegistry(folder / "models"))
    board = Board(edge.insights, forecaster, lambda: START_S + 90)
    app = create_app(edge.services())
    app.include_router(router(board, edge.services().steering, edge.settings.tokens))
    return Window(edge, board, app, Browser(app))


def words(markup: str) -> str:
    """A page's text in one line."""
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", markup).split()))
