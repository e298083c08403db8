"""Puts Batch's wire protocol, and the logs that its clients look for, into an application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fastapi import FastAPI, Response

from queue_broker.asked import Asked
from queue_broker.settings import is_loopback
from queue_broker.wire import logs, router
from queue_broker.wire.keys import Gatekeeper
from queue_broker.wire.service import Wire

Busy = Mapping[tuple[str, str], Callable[[Asked], Awaitable[Response]]]


def mount(app: FastAPI, wire: Wire) -> Busy:
    """Serve the protocol. Open to all only on loopback, without tokens, and before any key.

    Returned are the busiest endpoints by method and path, for a shorter way than the router's.
    """
    settings = wire.settings
    open_ = not settings.tokens and is_loopback(settings.host)
    gatekeeper = Gatekeeper(wire.shelf, wire.wall, open_)
    endpoints = router.Endpoints(wire, gatekeeper)
    app.router.routes.append(router.route(endpoints))
    app.router.routes.append(logs.route(wire, gatekeeper))
    return {("POST", path): endpoints.express for path in router.BUSY}
