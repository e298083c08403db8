"""How the local engine measures real processes, limits and stops them."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from headgate.lifecycle import Cause
from headgate.resources import Resources
from headgate.usage import Meter
from queue_broker.records import Tasks
from tests.contract.engines import a_leak, wait_until
from tests.unit.queue_broker.adapters.engines.local.machine import (
    HAS_CGROUPS,
    PYTHON,
    Machine,
    use_of,
    waited,
)


def eats(mib: int, then: str = "time.sleep(0.15)") -> tuple[str, ...]:
    return (*PYTHON, f"import time; held = b'x' * ({mib} << 20); {then}")


def test_peak_memory_and_cpu_time_are_measured(machine: Machine) -> None:
    busy = "t = time.process_time()\nwhile time.process_time() < t + 0.2: pass"

    (end,) = machine.run(a_leak((*PYTHON, f"import time; held = b'x' * (40 << 20)\n{busy}")))

    used = use_of(end)
    assert used.peak_memory_mib is not None
    assert 40 < used.peak_memory_mib < 60
    assert used.cpu_s is not None
    assert 0.15 < used.cpu_s < 5
    assert used.runtime_s >= 0.2


def test_the_memory_of_all_processes_of_a_tree_counts(machine: Machine) -> None:
    child = "held = b'x' * (20 << 20); import time; time.sleep(0.4)"
    parent = (
        f"import subprocess, sys; p = [subprocess.Popen([sys.executable, '-S', '-c', {child!r}])"
    )
    parent += " for _ in range(2)]; [q.wait() for q in p]"

    (end,) = machine.run(a_leak((*PYTHON, parent), allocation=Resources(1, 256)))

    peak = use_of(end).peak_memory_mib
    assert peak is not None
    assert peak > 40


def test_a_task_may_map_a_file_that_is_larger_than_its_memory(
    machine: Machine, tmp_path: Path
) -> None:
    file = tmp_path / "mapped"
    with file.open("wb") as made:
        made.truncate(160 << 20)
    reads = f"import mmap, time; f = open({str(file)!r}, 'rb')"
    reads += "; m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)"
    reads += "; print(sum(m[at] for at in range(0, len(m), 4096))); time.sleep(0.2)"

    (end,) = machine.run(a_leak((*PYTHON, reads), allocation=Resources(1, 64)))

    assert (end.cause, end.exit_code) == (Cause.EXITED, 0)
    peak = use_of(end).peak_memory_mib
    assert peak is not None
    assert peak <= 64


@pytest.mark.skipif(not HAS_CGROUPS, reason="no cgroup can be made here")
def test_a_peak_between_two_looks_is_not_missed(tmp_path: Path) -> None:
    machine = Machine(tmp_path, period_s=10.0)

    (end,) = machine.run(a_leak(eats(40, "del held")))
    machine.engine.close()

    peak = use_of(end).peak_memory_mib
    assert peak is not None
    assert 40 < peak < 60


@pytest.mark.skipif(not HAS_CGROUPS, reason="no cgroup can be made here")
def test_the_page_cache_is_not_taken_for_need(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    write = "f = open('big', 'wb'); [f.write(bytes(1 << 20)) for _ in range(100)]; f.close()"

    (end,) = machine.run(a_leak((*PYTHON, write), allocation=Resources(1, 512)))
    machine.engine.close()

    peak = use_of(end).peak_memory_mib
    assert peak is not None
    assert peak < 50


def test_what_passes_its_memory_is_killed_and_says_so(machine: Machine) -> None:
    (end,) = machine.run(a_leak(eats(300, "time.sleep(30)"), allocation=Resources(1, 100)))

    assert (end.cause, end.exit_code) == (Cause.OUT_OF_MEMORY, 137)
    assert end.reason is not None
    assert end.reason.startswith("OutOfMemoryError")
    assert end.reason.endswith("allocated: 100 MiB")
    peak = use_of(end).peak_memory_mib
    assert peak is not None
    assert peak > 99


def test_a_parent_that_outlives_its_child_s_kill_for_memory_is_stopped_too(
    machine: Machine,
) -> None:
    child = "held = b'x' * (300 << 20); import time; time.sleep(30)"
    parent = (
        f"import subprocess, sys, time; subprocess.run([sys.executable, '-S', '-c', {child!r}])"
    )

    (end,) = machine.run(
        a_leak((*PYTHON, parent + "; time.sleep(600)"), allocation=Resources(1, 100))
    )

    assert (end.cause, end.exit_code) == (Cause.OUT_OF_MEMORY, 137)


def test_a_timeout_ends_an_attempt(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    leak = a_leak(("sleep", "600"))
    monkeypatch.setitem(leak.job.__dict__, "timeout_s", 0.1)  # users may not ask for less than 60

    (end,) = machine.run(leak)

    assert (end.cause, end.exit_code) == (Cause.TIMEOUT, 143)
    assert end.reason == "Job attempt duration exceeded timeout: 0.1 s"


def test_who_does_not_heed_sigterm_is_killed_after_the_grace(machine: Machine) -> None:
    leak = a_leak(("sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"))
    machine.engine.hand_over([leak])
    wait_until(lambda: machine.started() == 1 and machine.output() == "deaf\n")

    machine.engine.stop(leak, Tasks([0]), interrupted=False)
    (end,) = waited(machine)

    assert (end.cause, end.exit_code) == (Cause.CANCELLED, 137)


def test_a_command_hears_sigterm_once_and_may_clean_up(machine: Machine) -> None:
    program = "import signal, sys, time; heard = []\n"
    program += "def hear(*_):\n heard.append(1)\n"
    program += "signal.signal(signal.SIGTERM, hear); print('ready', flush=True)\n"
    program += "while not heard: time.sleep(0.01)\n"
    program += "time.sleep(0.2); print('heard', len(heard)); sys.exit(5)"
    leak = a_leak((*PYTHON, program))
    machine.engine.hand_over([leak])
    wait_until(lambda: machine.started() == 1 and machine.output() == "ready\n")

    machine.engine.stop(leak, Tasks([0]), interrupted=True)
    (end,) = waited(machine)

    assert (end.cause, end.exit_code) == (Cause.INTERRUPTED, 5)
    assert machine.output() == "ready\nheard 1\n"


def test_processes_left_behind_end_with_their_task(machine: Machine) -> None:
    (end,) = machine.run(a_leak(("sh", "-c", "sleep 600 & echo $!; exit 0")))

    assert end.exit_code == 0
    assert is_gone(int(machine.output()))


def test_a_process_that_left_the_session_is_found_all_the_same(machine: Machine) -> None:
    """With cgroups always; without, as long as its parent lives when the table is searched."""
    program = "import os, subprocess, time; p = subprocess.Popen(['sleep', '600'], "
    program += "start_new_session=True); print(p.pid, flush=True); time.sleep(600)"
    leak = a_leak((*PYTHON, program))
    machine.engine.hand_over([leak])
    wait_until(lambda: machine.started() == 1 and machine.output() != "")

    machine.engine.stop(leak, Tasks([0]), interrupted=False)
    waited(machine)

    assert is_gone(int(machine.output()))


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_cancelled_task_that_still_waits_never_starts(machine: Machine) -> None:
    leak = a_leak(("sleep", "600"), (0, 1), allocation=Resources(2, 64))
    machine.engine.hand_over([leak])

    machine.engine.stop(leak, Tasks([1]), interrupted=False)
    (end,) = waited(machine)

    assert (end.task, end.cause, end.started_at_s) == (1, Cause.CANCELLED, None)


def test_the_meter_is_named(machine: Machine) -> None:
    (end,) = machine.run(a_leak(eats(20, "time.sleep(0.3)")))

    by = Meter.CGROUP if machine.engine._supervisor.site.cgroups else Meter.PSS
    assert use_of(end).meter is by
