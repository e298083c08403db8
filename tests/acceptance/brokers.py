"""A real broker in a process of its own, started by the real command line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from headgate.client import Client
from headgate.errors import HeadgateError

HEADGATE = (sys.executable, "-m", "queue_broker.cli.main")
#: Only a failure takes so long; on a busy machine a broker took a minute to start.
PATIENCE_S = 180.0


@dataclass(slots=True)
class Broker:
    """`headgate up` on a folder and a free port; it can be killed and started again."""

    data_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.port = self.port or free_port()
        command = [*HEADGATE, "up", "--port", str(self.port), "--data-dir", str(self.data_dir)]
        self.data_dir.mkdir(exist_ok=True, parents=True)
        with (self.data_dir / "broker.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=self.env(), cwd=self.data_dir
            )
        wait_until(self.answers, "the broker to answer")

    def env(self) -> dict[str, str]:
        """This process's environment with nothing of a developer's own broker in it."""
        plain = {name: v for name, v in os.environ.items() if not name.startswith("HEADGATE_")}
        return {**plain, **self.environment}

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.data_dir / "broker.log").read_text()
        with Client(self.url) as client, suppress(HeadgateError):
            client.models()
            return True
        return False

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ctrl-C, and the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_S)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of the real CLI against this broker."""
        env = {**self.env(), "HEADGATE_URL": self.url}
        return subprocess.run(
            [*HEADGATE, *arguments],
            env=env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            cwd=self.data_dir,
        )


@contextmanager
def running(data_dir: Path, **environment: str) -> Iterator[Broker]:
    """A broker that is up, and gone afterwards with all that it ran."""
    broker = Broker(data_dir, environment)
    broker.start()
    try:
        yield broker
    finally:
        if broker.process is not None and broker.process.poll() is None:
            broker.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(true: object, what: str) -> None:
    """Poll a condition; fail saying what was waited for."""
    assert callable(true)
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:.0f} s for {what}"
        time.sleep(0.1)
