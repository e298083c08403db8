"""The engine that runs tasks as processes on this machine.

Tasks outlive the broker's death, not its orderly end: `close` stops them. Everything that must be
known after a SIGKILL stands in the attempt's folder before it is acted upon (see `attempt`).
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headgate.errors import HeadgateError, InvalidInput, NotFound, Unavailable
from headgate.job import fill
from headgate.lifecycle import Cause
from queue_broker.adapters.engines.local import cgroup, gpu
from queue_broker.adapters.engines.local.attempt import Stop
from queue_broker.adapters.engines.local.doorbell import Doorbell
from queue_broker.adapters.engines.local.gpu import Gpus
from queue_broker.adapters.engines.local.launch import Site
from queue_broker.adapters.engines.local.machine import capacity
from queue_broker.adapters.engines.local.supervisor import Supervisor
from queue_broker.adapters.engines.local.sweep import sweep_out
from queue_broker.adapters.engines.logs import read_file_page
from queue_broker.adapters.engines.outbox import Outbox
from queue_broker.events import Event
from queue_broker.records import HandOver, Lane, Leak, LogPage, Tasks

if TYPE_CHECKING:  # the ports name models and tables, whose libraries take seconds to load
    from queue_broker.ports import Clock

#: The parameters of one task of a leak, by name.
ParametersOf = Callable[[Leak, int], Mapping[str, object]]
#: Leak names become folder names.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
#: The machine's own word for Batch's.
ARCH = {"aarch64": "arm64", "arm64": "arm64"}
#: After something failed, as on a full disk: soon enough, and no flood of the same words.
RETRY_S = 1.0
#: How often old folders are looked for.
SWEEP_S = 3600.0
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """How this machine is used.

    `cores` and `memory_mib` None: all usable cores, and the memory less a reserve. `grace_s` lies
    between SIGTERM and SIGKILL. `period_s` is how often running tasks are looked at. `environment`
    None: tasks get the broker's own, without its HEADGATE_ settings. `cgroups` False: never made.
    `keep_s` after its last task's end, a leak's folders and logs are removed.
    """

    data: Path
    cores: float | None = None
    memory_mib: int | None = None
    grace_s: float = 10.0
    period_s: float = 0.05
    environment: Mapping[str, str] | None = None
    cgroups: bool = True
    keep_s: float = 7 * 86_400.0

    def __post_init__(self) -> None:
        if not 0 < self.period_s <= 10:
            raise InvalidInput.of("period_s", self.period_s, "more than 0, at most 10 seconds")
        if self.grace_s < 0:
            raise InvalidInput.of("grace_s", self.grace_s, "0 or more seconds")
        if self.keep_s <= 0:
            raise InvalidInput.of("keep_s", self.keep_s, "more than 0 seconds")


class LocalEngine:
    """Runs each task as a process tree of its own, in a folder of its own. Thread-safe."""

    name = "local"

    def __init__(
        self, settings: LocalSettings, parameters: ParametersOf, clock: Clock = time.time
    ) -> None:
        self._settings = settings
        self._parameters = parameters
        data = settings.data.resolve()
        attempts = data / "attempts"
        attempts.mkdir(parents=True, exist_ok=True)
        group = f"headgate-{hashlib.sha256(bytes(data)).hexdigest()[:12]}"
        environment = os.environ if settings.environment is None else settings.environment
        self._gpus = Gpus(gpu.find())
        self._capacity = capacity(settings.cores, settings.memory_mib, len(self._gpus.devices))
        self._outbox = Outbox()
        self._supervisor = Supervisor(
            Site(
                attempts=attempts,
                capacity=self._capacity,
                base=dict(environment),
                grace_s=settings.grace_s,
                cgroups=cgroup.find(group) if settings.cgroups else None,
                gpus=self._gpus,
                clock=clock,
            ),
            self._outbox,
        )
        self._clock = clock
        self._lock = threading.RLock()
        self._doorbell = Doorbell()
        self._closing = False
        self._failing: dict[Callable[[], None], str] = {}  #: what goes on failing, and of what
        self._thread = threading.Thread(target=self._loop, name="local-engine", daemon=True)
        self._thread.start()

    def lanes(self) -> list[Lane]:
        """One: this machine. GPUs of several kinds are told by the smallest."""
        smallest = min(self._gpus.devices, key=lambda device: device.memory_mib, default=None)
        return [
            Lane(
                name=self.name,
                shape=self._capacity,
                arch=ARCH.get(platform.machine(), "x86_64"),
                gpu_model=smallest.model if smallest else None,
                gpu_memory_mib=smallest.memory_mib if smallest else None,
            )
        ]

    def hand_over(self, leaks: Sequence[Leak]) -> list[HandOver]:
        with self._open():
            return [self._accept(leak) for leak in leaks]

    def call_at_ends(self, call: Callable[[], None]) -> None:
        """Have it called at each task's end, from any thread; it must be quick."""
        self._outbox.on_end = call

    def poll(self, limit: int) -> list[Event]:
        return self._outbox.poll(limit)

    def acknowledge(self, events: Sequence[Event]) -> None:
        self._outbox.acknowledge(events)

    def adopt(self, leaks: Sequence[Leak]) -> None:
        with self._open():
            for leak in leaks:
                self._adopt(leak)

    def stop(self, leak: Leak, tasks: Tasks, interrupted: bool) -> None:
        cause = Cause.INTERRUPTED if interrupted else Cause.CANCELLED
        reason = "stopped to make room" if interrupted else "cancelled"
        with self._open():
            self._supervisor.stop(leak.name, tasks, Stop(self._clock(), cause, reason))

    def logs(self, leak: str, task: int, after: str | None, limit: int) -> LogPage:
        if not NAME.fullmatch(leak):
            raise NotFound(f"no leak is called {leak!r}")
        folder = self._supervisor.site.folder(leak, task)
        over = self._supervisor.site.is_over(leak, task)
        return read_file_page(folder.log, after, limit, over)

    def troubles(self) -> list[str]:
        return []

    def close(self) -> None:
        """Stops all tasks politely, and returns when they are gone."""
        with self._lock:
            stop = Stop(self._clock(), Cause.INTERRUPTED, "the broker was stopped")
            self._supervisor.stop_all(stop)
        self._leave()

    def detach(self) -> None:
        """Leaves all tasks running, for the next broker to adopt."""
        with self._lock:
            self._supervisor.let_go()
        self._leave()

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Alone with the supervisor; the watcher looks at once what was changed."""
        with self._lock:
            if self._closing:
                raise Unavailable("the local engine is closed")
            yield
            self._doorbell.ring()

    def _leave(self) -> None:
        """The watcher ends when nothing runs any more."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            self._doorbell.ring()
        self._thread.join()
        self._doorbell.close()
        self._gpus.close()
        if self._supervisor.site.cgroups:
            self._supervisor.site.cgroups.remove()

    def _accept(self, leak: Leak) -> HandOver:
        """A leak's folder is what says that it was taken. One that was is never refused any more:
        its tasks might start twice. An error is then raised, and the broker asks again.
        """
        if not NAME.fullmatch(leak.name):
            return HandOver(leak.name, refused=f"leak name: allowed: {NAME.pattern}")
        folder = self._supervisor.site.attempts / leak.name
        if not folder.is_dir() and not leak.allocation.fits(self._capacity):
            reason = f"{leak.allocation} does not fit on this machine, {self._capacity}"
            return HandOver(leak.name, refused=reason)
        try:
            commands = self._commands(leak)
            folder.mkdir(exist_ok=True)
        except (HeadgateError, OSError) as error:
            if folder.is_dir():
                raise
            return HandOver(leak.name, refused=str(error))
        self._take(leak, commands)
        return HandOver(leak.name, engine_id=leak.name)

    def _adopt(self, leak: Leak) -> None:
        """The leak's folder says whether it was accepted; one that was not will be handed over."""
        if (self._supervisor.site.attempts / leak.name).is_dir():
            self._take(leak, self._commands(leak))
        elif leak.engine_id is not None:
            for task in leak.open:
                reason = "the folder of its attempts is gone"
                self._supervisor.give_up(leak, task, Cause.INTERRUPTED, reason)

    def _take(self, leak: Leak, commands: Mapping[int, tuple[str, ...]]) -> None:
        for task in leak.open:
            if task in commands:
                self._supervisor.wait(leak, task, commands[task])
            elif not self._supervisor.knows(leak.name, task):
                self._supervisor.take_up(leak, task)

    def _commands(self, leak: Leak) -> dict[int, tuple[str, ...]]:
        """What the new ones among the leak's tasks run."""
        new = [task for task in leak.open if self._supervisor.is_new(leak.name, task)]
        return {task: fill(leak.job.command, self._parameters(leak, task)) for task in new}

    def _loop(self) -> None:
        """Measures once a period, and acts at once on ends and wishes. Idle while nothing runs."""
        next_look_s = 0.0
        next_sweep_s = time.monotonic() + SWEEP_S  # in any case later than the broker's `adopt`
        while True:
            with self._lock:
                if time.monotonic() >= next_look_s:
                    self._attempt(self._supervisor.look)
                    next_look_s = time.monotonic() + self._settings.period_s
                well = self._attempt(self._supervisor.turn_over)
                ends = self._supervisor.ends()
                busy = bool(self._supervisor.running)
            if self._closing and not busy:
                return
            if time.monotonic() >= next_sweep_s:
                self._attempt(self._sweep_out)
                next_sweep_s = time.monotonic() + SWEEP_S
            pause_s = max(0.0, next_look_s - time.monotonic()) if busy else SWEEP_S
            self._doorbell.wait(ends if well else [], pause_s if well else RETRY_S)

    def _sweep_out(self) -> None:
        before_s = self._clock() - self._settings.keep_s
        sweep_out(self._supervisor.site.attempts, before_s, self._in_use)

    def _in_use(self, leak: str) -> bool:
        with self._lock:
            return self._supervisor.uses(leak)

    def _attempt(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except Exception as error:  # the only watcher must not die: what failed is tried again soon
            if self._failing.get(act) != repr(error):  # a full disk's log would be full of it too
                logger.exception(
                    "the local engine failed to look after its tasks; it goes on trying"
                )
            self._failing[act] = repr(error)
            return False
        self._failing.pop(act, None)
        return True
