"""This machine's GPUs, as nvidia-smi tells: who has which, and how much of them is used.

Tasks get whole devices and see no others, so what a device uses is what its task uses.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PROGRAM = "nvidia-smi"
#: One look takes nvidia-smi up to half a second.
PERIOD_S = 1.0
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Gpu:
    """One device."""

    index: int
    model: str
    memory_mib: int


@dataclass(slots=True)
class Devices:
    """The devices of one task, and the most that was seen of any of them."""

    indexes: tuple[int, ...]
    memory_mib: float = 0.0
    busy_percent: float = 0.0
    looks: int = 0

    def see(self, index: int, memory_mib: float, busy_percent: float) -> None:
        if index in self.indexes:
            self.memory_mib = max(self.memory_mib, memory_mib)
            self.busy_percent += busy_percent
            self.looks += 1

    @property
    def peak_mib(self) -> float | None:
        return self.memory_mib if self.looks else None

    @property
    def utilisation(self) -> float | None:
        """Mean share of the time in which a device was busy, 0 to 1."""
        return self.busy_percent / self.looks / 100 if self.looks else None


class Gpus:
    """Hands out devices, and watches those that are taken from a thread of its own."""

    def __init__(self, devices: Sequence[Gpu] = (), period_s: float = PERIOD_S) -> None:
        self.devices = tuple(devices)
        self._period_s = period_s
        self._taken: list[Devices] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._watch, name="gpus", daemon=True)
        if self.devices:
            self._thread.start()

    def take(self, count: int) -> Devices:
        """The lowest devices that are free."""
        used = {index for devices in self._taken for index in devices.indexes}
        free = [gpu.index for gpu in self.devices if gpu.index not in used]
        if len(free) < count:
            raise ValueError(f"{count} GPUs are wanted, {len(free)} are free")
        return self.hold(tuple(free[:count]))

    def hold(self, indexes: tuple[int, ...]) -> Devices:
        """Certain devices, as a task has them that an earlier broker started."""
        devices = Devices(indexes)
        if indexes:
            with self._changed:
                self._taken.append(devices)
                self._changed.notify()
        return devices

    def give_back(self, devices: Devices) -> None:
        with self._changed:
            self._taken = [other for other in self._taken if other is not devices]

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def seen_by(self, devices: Devices) -> dict[str, str]:
        """What makes a task see its own devices alone; nothing on a machine without any."""
        shown = ",".join(map(str, devices.indexes))
        return {"CUDA_VISIBLE_DEVICES": shown} if self.devices else {}

    def _watch(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._taken or self._closing)
                if self._closing:
                    return
            rows = query("index,memory.used,utilization.gpu")
            with self._changed:
                self._note(rows)
                self._changed.wait_for(lambda: self._closing, self._period_s)

    def _note(self, rows: Iterable[Sequence[str]]) -> None:
        for index, used, busy in rows:
            if used.isdigit():
                for devices in self._taken:
                    devices.see(int(index), float(used), float(busy) if busy.isdigit() else 0.0)


def find() -> list[Gpu]:
    """The GPUs here; none where there is no nvidia-smi, or it fails."""
    rows = query("index,name,memory.total")
    return [Gpu(int(i), name, int(total)) for i, name, total in rows if total.isdigit()]


def query(fields: str) -> list[list[str]]:
    """A row a device, a word a field."""
    command = [PROGRAM, f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [[word.strip() for word in line.split(",")] for line in done.stdout.splitlines()]
    return [row for row in rows if len(row) == fields.count(",") + 1]
