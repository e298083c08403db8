"""The pages, and the JSON that keeps them fresh."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from queue_broker.core.steering import Steering
from queue_broker.dashboard import access, apidocs, assets, figures, jobpage, overview, render
from queue_broker.dashboard.answers import (
    PATH,
    PageRoute,
    as_json,
    home,
    html,
    safe,
    takes_gzip,
)
from queue_broker.dashboard.board import Board
from queue_broker.dashboard.limits_routes import LimitsPages
from queue_broker.records import JobId


class Pages:
    """The handlers. Each checks the token, reads once, and renders."""

    def __init__(self, board: Board, tokens: Mapping[str, str]) -> None:
        self._board = board
        self._tokens = tokens

    def start(self, request: Request) -> Response:
        """The broker's address alone leads to the dashboard."""
        return RedirectResponse(home(request), 303)

    def front(self, request: Request, token: str | None = None) -> Response:
        if token is not None:
            return self._keep_token(request, token)
        access.check(request, self._tokens)
        self._board.follow()
        shown = self._read_overview(request)
        drawn = self._board.look(figures.figures)
        body = render.page(
            "overview",
            home(request),
            live_url=f"{home(request)}/live",
            seen=str(shown.board.attempts),
            words=figures.WORDS,
            figures=drawn,
            overview=shown,
            parts=safe(self._overview_parts(request, shown)),
        )
        return html(request, body)

    def front_live(self, request: Request, seen: str = "") -> Response:
        """The parts anew, and the figures where anything ended since `seen`."""
        access.check(request, self._tokens)
        self._board.follow()
        shown = self._read_overview(request)
        now = str(shown.board.attempts)
        drawn = None if now == seen else self._board.look(figures.figures)
        parts = self._overview_parts(request, shown)
        return as_json(request, {"seen": now, "parts": parts, "figures": drawn})

    def job(
        self, request: Request, job_id: str, task: int = 0, token: str | None = None
    ) -> Response:
        if token is not None:
            return self._keep_token(request, token)
        access.check(request, self._tokens)
        page = jobpage.read(self._board, JobId(job_id), task)
        explained = jobpage.explanation(self._board, page)
        body = render.page(
            "job",
            home(request),
            live_url=f"{home(request)}/jobs/{page.job.job_id}/live?task={task}",
            page=page,
            explained=explained,
            shares=jobpage.shares(explained),
            prices=jobpage.prices(explained),
            tail=jobpage.tail(self._board.insights, page.task, None),
            parts=safe(self._job_parts(request, page)),
        )
        return html(request, body)

    def job_live(
        self, request: Request, job_id: str, task: int = 0, log: str | None = None
    ) -> Response:
        access.check(request, self._tokens)
        page = jobpage.read(self._board, JobId(job_id), task)
        tail = jobpage.tail(self._board.insights, page.task, log)
        fresh = {"text": tail.text, "cursor": tail.cursor, "fresh": tail.fresh}
        return as_json(request, {"parts": self._job_parts(request, page), "log": fresh})

    def docs(self, request: Request) -> Response:
        """Where people look for it first."""
        return RedirectResponse(f"{home(request)}/api", 303)

    def api(self, request: Request) -> Response:
        """Open to all, as its document is: it holds no data."""
        document = request.app.openapi()
        models = apidocs.models(document)
        body = render.page(
            "api",
            home(request),
            live_url="",
            document_url=f"{request.scope.get('root_path', '').rstrip('/')}/openapi.json",
            routes=apidocs.routes(document),
            models=models,
            known={one.name for one in models},
        )
        return html(request, body)

    def static(self, request: Request, digest: str, name: str) -> Response:
        """Open to all: it holds no data, and a login page would want it too."""
        del digest  # it is there to make the address another one when the content changes
        found = assets.asset(name)
        headers = {"cache-control": assets.FOR_EVER, "vary": "accept-encoding"}
        if not takes_gzip(request):
            return Response(found.content, headers=headers, media_type=found.media_type)
        headers["content-encoding"] = "gzip"
        return Response(found.packed, headers=headers, media_type=found.media_type)

    def _read_overview(self, request: Request) -> overview.Overview:
        reading = overview.read(self._board)
        address = str(request.base_url).rstrip("/")
        behind = self._board.behind
        return self._board.look(lambda board: overview.overview(reading, board, behind, address))

    def _overview_parts(self, request: Request, shown: overview.Overview) -> dict[str, str]:
        given = {"overview": shown, "home": home(request), "words": figures.WORDS}
        tables = {
            f"accuracy-{target}": render.part("accuracy", target=target, **given)
            for target in figures.WORDS
        }
        return render.parts(render.OVERVIEW_PARTS, **given) | tables

    def _job_parts(self, request: Request, page: jobpage.JobPage) -> dict[str, str]:
        return render.parts(render.JOB_PARTS, page=page, home=home(request))

    def _keep_token(self, request: Request, token: str) -> Response:
        """Out of the address bar and the history, into a cookie."""
        answer = RedirectResponse(without_token(request), 303)
        if self._tokens:
            access.tenant_of(token, self._tokens)
            secure = request.url.scheme == "https"
            access.keep(answer, token, path=home(request), secure=secure)
        return answer


def router(board: Board, steering: Steering, tokens: Mapping[str, str]) -> APIRouter:
    """The dashboard's routes. `tokens` are those that the API takes; none: open to all."""
    pages, limits = Pages(board, tokens), LimitsPages(board, steering, tokens)
    routes = APIRouter(route_class=PageRoute, include_in_schema=False)
    for path, handler in (
        ("/", pages.start),
        ("/docs", pages.docs),
        (PATH, pages.front),
        (f"{PATH}/api", pages.api),
        (f"{PATH}/live", pages.front_live),
        (f"{PATH}/jobs/{{job_id}}", pages.job),
        (f"{PATH}/jobs/{{job_id}}/live", pages.job_live),
        (f"{PATH}/limits", limits.page),
        (f"{PATH}/limits/live", limits.live),
        (f"{PATH}/static/{{digest}}/{{name}}", pages.static),
    ):
        routes.add_api_route(path, handler, methods=["GET"], response_model=None)
    routes.add_api_route(f"{PATH}/limits", limits.change, methods=["POST"], response_model=None)
    return routes


def without_token(request: Request) -> str:
    """The same page relative to itself, so that it holds whatever a proxy has made of the host."""
    url = request.url.remove_query_params("token")
    page = url.path.rsplit("/", 1)[-1]
    return f"{page}?{url.query}" if url.query else page
