"""Memory and cpu time of a process tree by the kernel's own account, cgroup v2 or v1.

The kernel's peak counts the page cache too: a task that reads a large file once would seem to need
all of it. What a task *needs* is its anonymous and shared memory, and its programs and libraries,
which are file cache that is mapped: with the first alone it would read those again and again. That
is sampled. A peak between two samples is missed, so of each new peak of the kernel's the other file
cache is taken that was there at the sample before or after, whichever is more: what a task writes
at its end was not there at its peak. The largest of all these is the task's peak.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from headgate.resources import Resources
from headgate.usage import Meter
from queue_broker.adapters.engines.local.tree import MIB, Measured

MOUNT = Path("/sys/fs/cgroup")
#: Mapped files count up to so much, as in the shim. Programs and libraries are seldom more; of a
#: mapped data set as much is mapped as there is memory, and each task would seem to need all.
MOST_MAPPED = 512 * MIB


@dataclass(frozen=True, slots=True)
class Dialect:
    """The names of one cgroup version's files, and of what is in them."""

    limits: tuple[str, ...]
    current: str
    peak: str
    anonymous: str
    cache: str
    mapped: str
    shared: str
    oom: str
    cpu: str
    cpu_per_s: float


V2 = Dialect(
    limits=("memory.max",),
    current="memory.current",
    peak="memory.peak",
    anonymous="anon",
    cache="file",
    mapped="file_mapped",
    shared="shmem",
    oom="memory.events",
    cpu="cpu.stat",
    cpu_per_s=1e6,
)
V1 = Dialect(
    limits=("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
    current="memory.usage_in_bytes",
    peak="memory.max_usage_in_bytes",
    anonymous="total_rss",
    cache="total_cache",
    mapped="total_mapped_file",
    shared="total_shmem",
    oom="memory.oom_control",
    cpu="cpuacct.usage",
    cpu_per_s=1e9,
)


@dataclass(slots=True)
class Cgroup:
    """One attempt's cgroups: the first accounts memory, the last cpu time (v2: it is one)."""

    dialect: Dialect
    folders: tuple[Path, ...]
    meter: Meter = field(default=Meter.CGROUP, init=False)
    _needed: int = field(default=0, init=False)
    _peak: int = field(default=0, init=False)  #: the kernel's, as of the last look
    _cached: int = field(default=0, init=False)  #: then

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(str, self.folders))

    def sample(self) -> Measured:
        names, memory = self.dialect, self.folders[0]
        peak = number(memory / names.peak) or 0
        # What is needed is a part of what is charged: there is news when more is charged than was
        # ever needed, or than ever before.
        if peak > self._peak or (number(memory / names.current) or 0) > self._needed:
            self._look(peak, table(memory / "memory.stat"))
        killed = table(memory / names.oom).get("oom_kill", 0) > 0
        return Measured(self._needed / MIB or None, self._cpu_s(), killed)

    def _look(self, peak: int, stat: dict[str, int]) -> None:
        shared = stat.get(self.dialect.shared, 0)
        # Shared memory is file cache to the kernel, and may be mapped.
        mapped = min(max(0, stat.get(self.dialect.mapped, 0) - shared), MOST_MAPPED)
        cached = stat.get(self.dialect.cache, 0) - shared - mapped
        now = stat.get(self.dialect.anonymous, 0) + shared + mapped
        between = peak - max(cached, self._cached) if peak > self._peak else 0
        self._needed = max(self._needed, now, between)
        self._peak, self._cached = max(peak, self._peak), cached

    def _cpu_s(self) -> float | None:
        path = self.folders[-1] / self.dialect.cpu
        used = table(path).get("usage_usec") if self.dialect is V2 else number(path)
        return None if used is None else used / self.dialect.cpu_per_s

    def pids(self) -> list[int]:
        with contextlib.suppress(OSError):
            return [int(pid) for pid in (self.folders[0] / "cgroup.procs").read_text().split()]
        return []

    def remove(self) -> None:
        """A killed process leaves its cgroup a moment after its death: this may take a few tries.

        A folder that stays behind all the same is empty and harmless.
        """
        for folder in self.folders:
            for _ in range(20):
                if remove(folder):
                    break
                time.sleep(0.005)


def remove(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Cgroups:
    """Where this program may make cgroups for tasks."""

    dialect: Dialect
    parents: tuple[Path, ...]

    def make(self, name: str, allocation: Resources) -> Cgroup:
        """A fresh cgroup whose memory is limited to the allocation; no swap beside it."""
        folders = tuple(parent / name for parent in self.parents)
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        if self.dialect is V2:
            write(self.parents[0] / "cgroup.subtree_control", "+memory")
        for limit in self.dialect.limits:
            with contextlib.suppress(FileNotFoundError):  # memsw: where swap is accounted
                write(folders[0] / limit, allocation.memory_mib * MIB)
        with contextlib.suppress(OSError):
            write(folders[0] / "memory.swap.max", 0)
        return Cgroup(self.dialect, folders)

    def remove(self) -> None:
        """Remove the parents; those that still hold a task's stay."""
        for parent in self.parents:
            remove(parent)


def taken_up(folders: tuple[str, ...]) -> Cgroup:
    """The cgroup of an attempt that an earlier broker started."""
    paths = tuple(map(Path, folders))
    return Cgroup(V1 if (paths[0] / V1.current).exists() else V2, paths)


def find(name: str, mount: Path = MOUNT) -> Cgroups | None:
    """Parents for the tasks' cgroups, below our own where possible; None where none can be made."""
    own = dict(_own())
    for base in _bases(mount, "", own.get("", "/")):
        found = _second(base / name)
        if found and _can_be_entered(found):
            return found
    parents = []
    for controller in ("memory", "cpuacct"):
        bases = _bases(mount, controller, own.get(controller, "/"))
        parents.append(next((base / name for base in bases if _made(base / name)), None))
    first = Cgroups(V1, tuple(parent for parent in parents if parent is not None))
    return first if len(first.parents) == len(parents) and _can_be_entered(first) else None


def _can_be_entered(found: Cgroups) -> bool:
    """Tried once for real: the right to move a process depends on more than one file's mode."""
    try:
        probe = found.make(f"probe.{os.getpid()}", Resources(1.0, 64))
    except OSError:
        return False
    enter = ["/bin/sh", "-c", 'echo 0 >"$1/cgroup.procs"', "sh"]
    tried = [
        subprocess.run([*enter, folder], capture_output=True, check=False) for folder in probe.names
    ]
    probe.remove()
    return all(done.returncode == 0 for done in tried)


def within(mount: Path = MOUNT) -> list[Path]:
    """The cgroups that this program is in, of all controllers and up to the roots."""
    own = dict(_own())
    names = ("", "memory", "cpu")
    return [base for name in names for base in _bases(mount, name, own.get(name, "/"))]


def _own() -> list[tuple[str, str]]:
    """Our own cgroup by controller (v2: the empty name)."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        split = [line.split(":", 2) for line in lines]
        return [(name, path) for _, names, path in split for name in names.split(",")]
    return []


def _bases(mount: Path, controller: str, own: str) -> list[Path]:
    """Our own cgroup and those above it, innermost first."""
    root = mount / controller
    inner = root / own.strip("/")
    between = [inner, *inner.parents][: len(inner.parts) - len(root.parts)]
    return [path for path in (*between, root) if path.is_dir()]


def _second(parent: Path) -> Cgroups | None:
    """A v2 parent whose children get the memory controller.

    A cgroup that has processes cannot hand controllers down, so our own seldom can, and the one
    above is tried next; systemd lets its user do that in his own slice.
    """
    try:
        if "memory" not in (parent.parent / "cgroup.controllers").read_text().split():
            return None
        with contextlib.suppress(OSError):
            write(parent.parent / "cgroup.subtree_control", "+memory")
        parent.mkdir(exist_ok=True)
        write(parent / "cgroup.subtree_control", "+memory")
    except OSError:
        return None
    return Cgroups(V2, (parent,))


def _made(parent: Path) -> bool:
    try:
        parent.mkdir(exist_ok=True)
    except OSError:
        return False
    return True


def write(path: Path, value: object) -> None:
    """Into a control file, which must be there already."""
    handle = os.open(path, os.O_WRONLY)
    try:
        os.write(handle, str(value).encode())
    finally:
        os.close(handle)


def number(path: Path) -> int | None:
    try:
        return int(path.read_bytes())
    except (OSError, ValueError):
        return None


def table(path: Path) -> dict[str, int]:
    """A file of `name value` lines; empty when it is not there."""
    try:
        words = path.read_bytes().split()
    except OSError:
        return {}
    return {name.decode(): int(value) for name, value in zip(words[::2], words[1::2], strict=False)}
