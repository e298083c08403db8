"""An application on a port of this machine, for tests that speak to it as clients do."""

from __future__ import annotations

import threading
import time
from typing import Any

import uvicorn

PATIENCE_S = 10.0


class Server:
    """Serves from a thread, without the application's lifespan."""

    def __init__(self, app: Any, **options: Any) -> None:
        config = uvicorn.Config(app, port=0, log_level="critical", lifespan="off", **options)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    @property
    def tasks(self) -> int:
        """How many requests are under way."""
        return len(self._server.server_state.tasks)

    def open(self) -> str:
        """Start; the address."""
        self._thread.start()
        deadline = time.monotonic() + PATIENCE_S
        while not self._server.started:
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.005)
        port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE_S)
