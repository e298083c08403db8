"""The pages in a real browser: the figures are drawn, and refreshed without a reload."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from tests.unit.queue_broker.api.serving import PATIENCE_S
from tests.unit.queue_broker.dashboard.window import Window, words

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-logging=stderr", "--window-size=1280,900", "--dump-dom",
)  # fmt: skip

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine's PATH")


@contextmanager
def served(window: Window) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))  # who connects early waits in its backlog
    server = uvicorn.Server(uvicorn.Config(window.app, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)


def looked_at(address: str, profile: Path, for_ms: int) -> tuple[str, list[str]]:
    """The page as it stands after `for_ms` of the browser's own time, and what it complained of."""
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", f"--virtual-time-budget={for_ms}"]
    done = subprocess.run(
        [*command, address], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout, re.findall(r"CONSOLE.*", done.stderr)


def test_figures_are_drawn_and_the_page_complains_of_nothing(
    window: Window, tmp_path: Path
) -> None:
    window.finish(window.run())
    with served(window) as address:
        page, complaints = looked_at(f"{address}/dashboard", tmp_path, 1_000)
    assert complaints == []
    for figure in ("memory_mib", "vcpu", "runtime_s", "waste"):
        assert f'id="figure-{figure}" role="img"' in page
        drawn = page.split(f'id="figure-{figure}"')[1].split("<figcaption>")[0]
        assert "main-svg" in drawn, figure
        assert 'class="point"' in drawn or figure == "waste"


def test_what_ends_while_somebody_looks_appears_without_a_reload(
    window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = window.run()
    follow, visits = type(window.board).follow, []

    def finish_after_the_first_visit(board: object, budget_s: float = 0.4) -> None:
        visits.append(budget_s)
        if len(visits) == 2:  # the page was loaded, and asks for news for the first time
            window.finish(first)
        follow(window.board, budget_s)

    monkeypatch.setattr(type(window.board), "follow", finish_after_the_first_visit)
    with served(window) as address:
        page, complaints = looked_at(f"{address}/dashboard", tmp_path, 4_500)
    assert complaints == []
    assert len(visits) >= 2
    assert "Kills for memory 0 in 1 attempt" in words(page)
    assert 'class="point"' in page
