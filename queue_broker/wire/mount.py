"""Puts Batch's wire protocol, and the logs that its clients look for, into an application."""

from __future__ import annotations

from fastapi import FastAPI

from queue_broker.settings import is_loopback
from queue_broker.wire import logs, router
from queue_broker.wire.keys import Gatekeeper
from queue_broker.wire.service import Wire


def mount(app: FastAPI, wire: Wire) -> None:
    """Serve the protocol. Open to all only on loopback, without tokens, and before any key."""
    settings = wire.settings
    open_ = not settings.tokens and is_loopback(settings.host)
    gatekeeper = Gatekeeper(wire.shelf, wire.clock, open_)
    # In front: the application's own routes take longer to try than a submission to check.
    app.router.routes.insert(0, router.route(wire, gatekeeper))
    app.router.routes.append(logs.route(wire, gatekeeper))
