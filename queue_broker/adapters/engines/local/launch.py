"""How a task's process is started, and what it is given."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from headgate.lifecycle import Cause
from headgate.resources import Resources
from queue_broker.adapters.engines.local.attempt import Folder, Start
from queue_broker.adapters.engines.local.cgroup import Cgroup, Cgroups
from queue_broker.adapters.engines.local.environment import (
    NOT_EXECUTABLE,
    cannot_run,
    environment,
    passed_on,
)
from queue_broker.adapters.engines.local.gpu import Gpus
from queue_broker.adapters.engines.local.nodes import arranged
from queue_broker.adapters.engines.local.process import boot_id, spawn
from queue_broker.adapters.engines.local.session import Session
from queue_broker.adapters.engines.local.watch import Watch
from queue_broker.adapters.engines.shim import SHIM
from queue_broker.events import Ended
from queue_broker.records import Leak

SHELL = "/bin/sh"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Site:
    """Where and with what tasks run. `base` is the environment that they are given."""

    attempts: Path
    capacity: Resources
    base: Mapping[str, str]
    grace_s: float
    cgroups: Cgroups | None
    gpus: Gpus
    clock: Callable[[], float]

    def folder(self, leak: str, task: int) -> Folder:
        return Folder(self.attempts / leak / str(task))

    def is_over(self, leak: str, task: int) -> bool:
        """Whether nothing more is written to a task's log, or a node's: it ends with its job."""
        first = self.folder(leak, 0)
        folder = first if first.nodes.exists() else self.folder(leak, task)
        return folder.ended() is not None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that was accepted, and waits for room."""

    leak: Leak
    task: int
    command: tuple[str, ...]


def launch(site: Site, item: Waiting) -> Watch | Ended:
    """Start a task; its end, where it cannot be started."""
    leak, task = item.leak, item.task
    folder = site.folder(leak.name, task)
    seen = environment(site.base, leak, task)
    now_s = site.clock()

    def refused(code: int, reason: str) -> Ended:
        return Ended(leak.name, task, now_s, Cause.NOT_STARTED, code, reason=reason)

    try:
        folder.work.mkdir(parents=True, exist_ok=True)
        refusal = cannot_run(item.command, seen, folder.work)
        return refused(*refusal) if refusal else _spawn(site, item, folder, seen)
    except (OSError, ValueError) as error:  # too long an argument, a NUL in it, no more processes
        return refused(NOT_EXECUTABLE, str(error))


def _spawn(site: Site, item: Waiting, folder: Folder, seen: Mapping[str, str]) -> Watch:
    leak, task = item.leak, item.task
    cgroup = _cgroup(site, item)
    gpus = site.gpus.take(leak.allocation.gpus)
    try:
        groups = cgroup.names if cgroup else ()
        start = Start(site.clock(), groups, gpus.indexes, boot_id())
        folder.prepare(start)
        command, seen = arranged(site, item, seen, gpus)
        argv = (SHELL, str(SHIM), *passed_on(command, seen))
        pid = spawn(argv, {**seen, **_own(folder, cgroup)}, folder.log)
    except BaseException:
        site.gpus.give_back(gpus)
        if cgroup:
            cgroup.remove()
        raise
    return Watch(leak, task, folder, start, cgroup or Session(pid), pid, gpus)


def _cgroup(site: Site, item: Waiting) -> Cgroup | None:
    """None where there are none, or none can be made just now: then PSS measures and limits."""
    if site.cgroups is None:
        return None
    try:
        return site.cgroups.make(f"{item.leak.name}.{item.task}", item.leak.allocation)
    except OSError as error:
        logger.warning("no cgroup for task %s of %s: %s", item.task, item.leak.name, error)
        return None


def _own(folder: Folder, cgroup: Cgroup | None) -> dict[str, str]:
    """What the shim is told."""
    return {
        "HEADGATE_SHIM_DIR": str(folder.path),
        "HEADGATE_SHIM_CGROUPS": " ".join(cgroup.names if cgroup else ()),
    }
