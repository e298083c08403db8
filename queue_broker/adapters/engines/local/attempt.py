"""The folder of one attempt: all that is known of it outlives the broker as small files.

start.json   the broker: what it was about to start, and where it is measured
pid          the shim: it runs. Made exclusively, so that an attempt is started once for ever
result       the shim: the exit code. A shim that was killed leaves none
nodes.json   the broker: what the other nodes of a multi-node job run beside the main one
stop.json    the broker: it is going to stop the attempt, and why
ended.json   the broker: the attempt is over, with its use. The last word
output.log   what the command printed, stdout and stderr together
work/        where the command runs
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from headgate.lifecycle import Cause
from queue_broker.adapters.files import write_whole
from queue_broker.events import Ended

#: What stands in `pid` when a broker gave the attempt up.
GIVEN_UP = "0 0\n"
T = TypeVar("T")
TIMES = re.compile(r"(\d+)m([\d.,]+)s")


@dataclass(frozen=True, slots=True)
class Start:
    """What the broker was about to start."""

    at_s: float
    cgroups: tuple[str, ...] = ()
    gpus: tuple[int, ...] = ()
    boot: str = ""  #: the machine's, which its clock says nothing sure of; empty where unknown


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the broker stops an attempt; written before the first signal."""

    at_s: float
    cause: Cause
    reason: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The process that runs an attempt: the shim. `start_ticks` is since boot, 0 where unknown.

    A pid of 0 means that a broker gave the attempt up before any shim claimed it.
    """

    pid: int
    start_ticks: int
    at_s: float
    boot: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What the shim wrote when the command was over."""

    exit_code: int
    ago_s: float  #: since then, by the machine's clock, which need not be the broker's
    cpu_s: float


_START = TypeAdapter(Start)
_STOP = TypeAdapter(Stop)
_ENDED = TypeAdapter(Ended)


@dataclass(frozen=True, slots=True)
class Folder:
    """One attempt's folder, which need not exist yet."""

    path: Path

    @property
    def log(self) -> Path:
        return self.path / "output.log"

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def nodes(self) -> Path:
        return self.path / "nodes.json"

    def prepare(self, start: Start) -> None:
        """Make the folder for an attempt that is about to start."""
        self.work.mkdir(parents=True, exist_ok=True)
        self._write("start.json", _START.dump_json(start))

    def write_nodes(self, others: Sequence[Mapping[str, Any]]) -> Path:
        self._write("nodes.json", json.dumps(others).encode())
        return self.nodes

    def write_stop(self, stop: Stop) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self._write("stop.json", _STOP.dump_json(stop))

    def write_ended(self, ended: Ended) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self._write("ended.json", _ENDED.dump_json(ended))

    def start(self) -> Start | None:
        return self._read("start.json", _START)

    def stop(self) -> Stop | None:
        return self._read("stop.json", _STOP)

    def ended(self) -> Ended | None:
        return self._read("ended.json", _ENDED)

    def give_up(self) -> bool:
        """Claim an attempt that no shim has claimed, so that none ever will. False: one has."""
        try:
            with (self.path / "pid").open("x", encoding="ascii") as file:
                file.write(GIVEN_UP)
        except FileExistsError:
            return False
        return True

    def claim(self) -> Claim | None:
        """Who runs the attempt; None as long as nobody claimed it."""
        path = self.path / "pid"
        try:
            pid, start_ticks = path.read_text(encoding="ascii").split()
            start = self.start()
            boot = start.boot if start else ""
            return Claim(int(pid), int(start_ticks), path.stat().st_mtime, boot)
        except (FileNotFoundError, ValueError):
            return None

    def result(self) -> Result | None:
        """None while the command runs, and for ever when the shim was killed."""
        path = self.path / "result"
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return None
        if len(lines) < 4 or lines[-1] != "end":
            return None
        ago_s = max(0.0, time.time() - path.stat().st_mtime)
        return Result(int(lines[0]), ago_s, seconds(lines[2]))

    def _write(self, name: str, content: bytes) -> None:
        # Not durable against a loss of power: that ends the processes too, and what is then missing
        # here reads as an interruption.
        write_whole(self.path / name, content, durable=False)

    def _read(self, name: str, kind: TypeAdapter[T]) -> T | None:
        try:
            return kind.validate_json((self.path / name).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None


def seconds(times: str) -> float:
    """User and system time out of a line of sh's `times`: 0m1.23s 0m0.04s."""
    return sum(
        int(minutes) * 60 + float(rest.replace(",", ".")) for minutes, rest in TIMES.findall(times)
    )
