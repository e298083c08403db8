"""The native API as one application. The composition root gives it its services."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI
from pydantic.json_schema import models_json_schema

from headgate.job import Job
from headgate.sweep import Sweep
from headgate.tenancy import Tenant
from queue_broker.api import fleet, jobs, limits, metrics, submitting, wishes
from queue_broker.api.bodies import REF
from queue_broker.api.errors import handle_errors
from queue_broker.api.express import Express
from queue_broker.api.services import Services, Tokens, caller
from queue_broker.core.limits import Tiers

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

#: Models that routes read from the raw body, so that FastAPI does not see them.
WISHES = (wishes.Cancel, wishes.Retry, wishes.Priority, wishes.Move)
BODIES = (Job, Sweep, *WISHES, limits.Window, Tiers, Tenant)


def create_app(services: Services, lifespan: Lifespan | None = None) -> Express:
    """The API. `lifespan` is what the root starts and stops around it."""
    app = Express(
        title="Headgate",
        version=version("headgate"),
        summary="Predicts what jobs need, packs them, and leaks them into AWS Batch",
        lifespan=draining(services, lifespan),
        docs_url=None,  # the dashboard's own page works where there is no internet
        redoc_url=None,
    )
    app.state.services = services
    app.state.tokens = Tokens(services.tokens)
    handle_errors(app)
    app.busiest["POST", "/jobs"] = submitting.express(services, app.state.tokens)
    app.include_router(submitting.router)  # each of its routes asks who calls
    for one in (jobs.router, wishes.router, fleet.router, limits.router, metrics.router):
        app.include_router(one, dependencies=[Depends(caller)])
    app.include_router(fleet.health)
    document(app)
    return app


def draining(services: Services, lifespan: Lifespan | None) -> Lifespan:
    """Whatever was taken is durable before the root closes the store under it."""

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan(app) if lifespan else nullcontext():
            try:
                yield
            finally:
                await services.submitter.commit.close()

    return run


def document(app: FastAPI) -> None:
    """Put the models of raw bodies into the OpenAPI document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            _, found = models_json_schema(
                [(model, "validation") for model in BODIES], ref_template=REF
            )
            components = document.setdefault("components", {}).setdefault("schemas", {})
            components.update(found["$defs"])
        return generate()

    app.openapi = openapi  # type: ignore[method-assign]
