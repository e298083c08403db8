"""The ECS task metadata endpoint as a source of use: parsed, and asked by the shim over HTTP."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from headgate.usage import Meter
from queue_broker.adapters.engines.ecs_stats import figures
from queue_broker.adapters.engines.shim import Report, take_report, wrap
from tests.unit.queue_broker.adapters.engines.test_shim import run, shell

__all__ = ["shell"]

MIB = 1 << 20


def stats(peak: int | None = 300 * MIB, cache: int = 100 * MIB) -> dict[str, Any]:
    """One container's, as the documentation of the endpoint shows them, less what nobody needs."""
    memory: dict[str, Any] = {"usage": 5, "stats": {"total_cache": cache, "total_rss": 1}}
    return {
        "read": "2026-08-31T08:00:00Z",
        "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000, "percpu_usage": [1, 2]}},
        "memory_stats": memory | ({} if peak is None else {"max_usage": peak}),
    }


def test_the_peak_and_the_cores_time_are_taken() -> None:
    used = Report(**figures({"id": stats()})).usage(10.0)

    assert (used.peak_memory_mib, used.cpu_s, used.meter) == (200.0, 2.5, Meter.CGROUP)


def test_a_task_s_containers_count_together() -> None:
    found = figures({"one": stats(), "two": stats(peak=50 * MIB, cache=0)})

    assert (found["peak_bytes"], found["cpu_ns"]) == (350 * MIB, 5_000_000_000)


def test_what_is_used_at_the_end_is_no_peak() -> None:
    used = Report(**figures({"id": stats(peak=None)})).usage(10.0)

    assert (used.peak_memory_mib, used.cpu_s, used.meter) == (None, 2.5, Meter.NONE)


@pytest.mark.parametrize("told", [{}, {"id": None}, {"id": {"memory_stats": None}}, {"id": [1]}])
def test_what_is_not_known_is_left_out(told: dict[str, Any]) -> None:
    assert figures(told) == {}


class Endpoint(BaseHTTPRequestHandler):
    """ECS's, for one container."""

    def do_GET(self) -> None:
        body = json.dumps({"id": stats()}).encode()
        self.send_response(200 if self.path == "/v4/id/task/stats" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Not to the test's output."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v4/id"
    server.shutdown()
    server.server_close()


def reported(done: subprocess.CompletedProcess[str]) -> tuple[str, Report]:
    log, report = take_report(done.stdout)
    assert report is not None
    return log, report


@pytest.mark.skipif(not (shutil.which("curl") or shutil.which("wget")), reason="no HTTP client")
def test_the_shim_asks_ecs_where_no_cgroup_is_to_be_seen(
    shell: tuple[str, ...], endpoint: str, tmp_path: Path
) -> None:
    where = {"ECS_CONTAINER_METADATA_URI_V4": endpoint, "HEADGATE_SHIM_SYS": str(tmp_path)}

    log, report = reported(run(shell, "sh", "-c", "echo hi; exit 3", **where))

    assert (log, report.exit_code) == ("hi\n", 3)
    assert (report.usage(1.0).peak_memory_mib, report.usage(1.0).cpu_s) == (200.0, 2.5)


def test_an_endpoint_that_is_away_costs_nothing_but_the_figures(
    shell: tuple[str, ...], tmp_path: Path
) -> None:
    nobody = {"ECS_CONTAINER_METADATA_URI_V4": "http://127.0.0.1:9/v4"}

    log, report = reported(run(shell, "echo", "hi", HEADGATE_SHIM_SYS=str(tmp_path), **nobody))

    assert (log, report) == ("hi\n", Report(exit_code=0))


def test_ecs_is_not_asked_where_the_kernel_tells(shell: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "memory.peak").write_text(f"{MIB}\n")
    command = wrap(("true",))[2]

    done = run(shell, "true", HEADGATE_SHIM_SYS=str(tmp_path), ECS_CONTAINER_METADATA_URI_V4="x")

    assert '"ecs"' in command
    assert '"ecs"' not in done.stdout
    assert reported(done)[1].needed_bytes == MIB
