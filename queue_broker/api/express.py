"""The few requests that come thousands of times a second, answered where the server reads them.

Uvicorn's way into an application, and FastAPI's layers in it, take three times as long as reading
and checking a job. What is not on the list goes that way, and so does whatever is unusual about a
request that is; the listed routes are registered there as any other's.
"""

from __future__ import annotations

from asyncio import Event
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from headgate.errors import HeadgateError
from headgate.job import MAX_PAYLOAD_BYTES
from queue_broker.api.errors import answer, bug
from queue_broker.asked import Asked, texts

Endpoint = Callable[[Asked], Awaitable[Response]]
Busiest = dict[tuple[str, str], Endpoint]

#: A longer body goes the usual way, which says that it is too long.
MOST_BYTES = MAX_PAYLOAD_BYTES
#: Uvicorn wakes whoever waits for a body; here nobody does.
NOBODY = Event()


class Express(FastAPI):
    """An application with a short way to its busiest endpoints, by method and whole path.

    Served with `http=ExpressProtocol`; any other server takes the usual way.
    """

    def __init__(self, **about: Any) -> None:
        super().__init__(**about)
        self.busiest: Busiest = {}


@dataclass(slots=True, eq=False)
class Ride:
    """A request on the short way, with what uvicorn looks at of one that is under way."""

    endpoint: Endpoint
    keep_alive: bool
    body: bytearray = field(default_factory=bytearray)
    more_body: bool = True
    message_event: Event = NOBODY
    response_complete: bool = False
    disconnected: bool = False


class ExpressProtocol(HttpToolsProtocol):
    """Uvicorn's, with a short way for the `busiest` of an `Express` application.

    Errors are answered there as `handle_errors` answers them elsewhere.
    """

    cycle: Any

    def on_headers_complete(self) -> None:
        endpoint = self._endpoint()
        if endpoint is None:
            super().on_headers_complete()
        else:
            self.cycle = Ride(endpoint, self.parser.should_keep_alive())

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if isinstance(self.cycle, Ride):
            task = self.loop.create_task(self._ride(self.cycle, self._asked()))
            self.tasks.add(task)  # a server that stops waits for them
            task.add_done_callback(self.tasks.discard)

    def _endpoint(self) -> Endpoint | None:
        """Whose the request is, if nothing about it is unusual."""
        app: Express = self.config.app  # type: ignore[assignment]
        asked = self.parser.get_method().decode("ascii"), self.url.decode("latin-1")
        endpoint = app.busiest.get(asked)
        return endpoint if endpoint is not None and self._is_plain() else None

    def _is_plain(self) -> bool:
        pipelined = self.cycle is not None and not self.cycle.response_complete
        if pipelined or self.expect_100_continue or self.parser.should_upgrade():
            return False
        length = dict(self.headers).get(b"content-length", b"")
        fits = length.isdigit() and int(length) <= MOST_BYTES
        return fits and self.parser.get_http_version() == "1.1"

    def _asked(self) -> Asked:
        method, target = self.parser.get_method().decode("ascii"), self.url.decode("latin-1")
        return Asked(method, target, target, texts(self.headers), bytes(self.cycle.body))

    async def _ride(self, ride: Ride, asked: Asked) -> None:
        response = await answered(ride.endpoint, asked)
        if self.flow.write_paused and not ride.disconnected:
            await self.flow.drain()
        ride.response_complete = True
        if ride.disconnected:
            return
        self.transport.write(self._written(response, ride.keep_alive))
        if not ride.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _written(self, response: Response, keep_alive: bool) -> bytes:
        headers = [*self.server_state.default_headers, *response.raw_headers]
        if not keep_alive:
            headers.append((b"connection", b"close"))
        lines = [b"%b: %b\r\n" % header for header in headers]
        return b"".join((STATUS_LINE[response.status_code], *lines, b"\r\n", response.body))


async def answered(endpoint: Endpoint, asked: Asked) -> Response:
    try:
        return await endpoint(asked)
    except HeadgateError as error:
        return answer(error)
    except Exception as error:
        return bug(asked.method, asked.path, error)
