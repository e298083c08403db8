"""Processes by id, told apart from later ones that got the same id."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from queue_broker.adapters.engines.local.attempt import Claim

DEFAULTED = (
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
HAS_PROC = Path("/proc/self/stat").exists()


def spawn(argv: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
    """Start a program as the head of a session of its own, output to `log`; returns its id.

    posix_spawn, because a broker with much memory and many threads must not fork.
    """
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        argv[0],
        list(argv),
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=DEFAULTED,
    )


def reap(pid: int) -> int | None:
    """The exit code of a child of ours (128 + n for signal n); None while it runs."""
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # somebody else in this program reaped it
        return -1
    if not done:
        return None
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def boot_id() -> str:
    """Which boot of the machine this is, random(4); empty where that is not known. A time of boot
    is reckoned back from the clock, and moves when that is set."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def runs(claim: Claim) -> bool:
    """Whether the process that claimed an attempt still runs (a zombie does not)."""
    since_boot = claim.boot == boot_id() if claim.boot else claim.at_s >= psutil.boot_time() - 1
    if not since_boot or claim.pid <= 0:
        return False
    if HAS_PROC:
        return _ticks(claim.pid) == claim.start_ticks
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(claim.pid)
        # Whoever has this id now and was born after the claim is another one.
        return process.create_time() <= claim.at_s + 1 and process.status() != "zombie"
    return False


def _ticks(pid: int) -> int | None:
    """A live process's start time in clock ticks since boot, field 22 of proc_pid_stat(5)."""
    fields = _stat(pid)
    return None if not fields or fields[0] in (b"Z", b"X") else int(fields[19])


def _stat(pid: int) -> list[bytes]:
    """The fields of proc_pid_stat(5) from the state, the third, on; none when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2].split()
    except OSError:
        return []


def parents() -> dict[int, int]:
    """The parent of every process. Read plainly: psutil takes ten times as long for it."""
    if not HAS_PROC:
        return {process.pid: process.info["ppid"] for process in psutil.process_iter(["ppid"])}
    stats = ((pid, _stat(pid)) for pid in psutil.pids())
    return {pid: int(fields[1]) for pid, fields in stats if fields}


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal processes; those that are gone, or not ours, are passed over."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
