"""A broker that is killed with SIGKILL loses nothing and starts nothing twice."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headgate.lifecycle import Cause
from queue_broker.adapters.engines.local import engine as local_engine
from queue_broker.adapters.engines.local.attempt import Folder
from queue_broker.adapters.engines.local.engine import LocalEngine
from queue_broker.adapters.engines.shim import SHIM
from queue_broker.events import Ended
from queue_broker.records import Tasks
from tests.contract.engines import RUNS_ON, a_leak, endings, wait_until
from tests.unit.queue_broker.adapters.engines.local import doomed_broker as doomed
from tests.unit.queue_broker.adapters.engines.local.machine import Machine


def adopted(engine: LocalEngine, names: set[str]) -> dict[str, Ended]:
    """The ends of these leaks' tasks."""

    def ends() -> dict[str, Ended]:
        return {end.leak: end for end in endings(engine.poll(100))}

    wait_until(lambda: names <= set(ends()))
    return ends()


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """The data folder that a killed broker left; three of its tasks run."""
    program = [sys.executable, "-m", doomed.__name__, str(tmp_path)]
    broker = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    assert broker.stdout is not None
    started = [broker.stdout.readline() for _ in range(3)]
    assert started == ["Started running\n", "Started ending\n", "Started lost\n"]
    wait_until(lambda: all(pid_of(tmp_path, name) for name in ("running", "ending", "lost")))
    wait_until(lambda: folder(tmp_path, "running").log.read_text() == "ready\n")
    broker.kill()
    broker.wait()
    broker.stdout.close()
    yield tmp_path
    engine = LocalEngine(doomed.settings(tmp_path), lambda leak, task: {})
    engine.adopt(doomed.ALL)
    engine.close()


def folder(data: Path, leak: str) -> Folder:
    return Folder(data / "attempts" / leak / "0")


def pid_of(data: Path, leak: str) -> int | None:
    claim = folder(data, leak).claim()
    return claim.pid if claim else None


def test_a_killed_broker_loses_nothing_and_starts_nothing_twice(data: Path) -> None:
    pid = pid_of(data, "running")
    (folder(data, "ending").work / "go").touch()
    wait_until(lambda: folder(data, "ending").result() is not None)
    os.killpg(pid_of(data, "lost") or 0, signal.SIGKILL)
    engine = LocalEngine(doomed.settings(data), lambda leak, task: {})

    engine.adopt(doomed.ALL)
    engine.hand_over(doomed.ALL)
    ends = adopted(engine, {"ending", "lost"})
    engine.stop(doomed.RUNNING, Tasks([0]), interrupted=False)
    ends |= adopted(engine, {"running", "waiting"})
    engine.close()

    assert {name: end.cause for name, end in ends.items()} == {
        "ending": Cause.EXITED,
        "lost": Cause.INTERRUPTED,
        "running": Cause.CANCELLED,
        "waiting": Cause.EXITED,
    }
    assert ends["ending"].exit_code == 7
    assert pid_of(data, "running") == pid
    used = ends["running"].usage
    assert used is not None
    assert used.peak_memory_mib is not None
    assert used.peak_memory_mib > 30


def test_a_claim_settles_the_race_between_a_late_shim_and_a_new_broker(tmp_path: Path) -> None:
    """The old broker died between making the folder and the shim's first step."""
    leak = a_leak(RUNS_ON)
    attempt = folder(tmp_path, leak.name)
    attempt.work.mkdir(parents=True)
    engine = LocalEngine(doomed.settings(tmp_path), lambda leak, task: {})

    engine.adopt([leak])
    late = subprocess.run(
        ["/bin/sh", str(SHIM), "touch", "ran"],
        env={"HEADGATE_SHIM_DIR": str(attempt.path), "PATH": os.defpath},
        check=False,
    )
    (end,) = endings(engine.poll(100))
    engine.close()

    assert (end.cause, end.exit_code) == (Cause.INTERRUPTED, None)
    assert late.returncode == 125
    assert not (attempt.work / "ran").exists()


def test_a_closed_broker_interrupts_its_tasks_and_the_next_one_says_so(tmp_path: Path) -> None:
    running, waiting = a_leak(("sleep", "600"), name="a"), doomed.WAITING
    first = LocalEngine(doomed.settings(tmp_path), lambda leak, task: {})
    first.hand_over([running, waiting])
    wait_until(lambda: pid_of(tmp_path, "a") is not None)
    first.close()
    second = LocalEngine(doomed.settings(tmp_path), lambda leak, task: {})

    second.adopt([running, waiting])
    ends = adopted(second, {"a", "waiting"})
    second.close()

    assert ends["a"].cause is Cause.INTERRUPTED
    assert ends["a"].reason == "the broker was stopped"
    assert ends["waiting"].cause is Cause.EXITED


def test_attempts_whose_folder_is_gone_were_interrupted(tmp_path: Path) -> None:
    engine = LocalEngine(doomed.settings(tmp_path), lambda leak, task: {})

    engine.adopt([replace(a_leak(), engine_id="leak-1")])
    (end,) = endings(engine.poll(100))
    engine.close()

    assert end.cause is Cause.INTERRUPTED


def test_a_full_disk_is_told_once_and_its_end_comes_when_there_is_room(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_ended, tries = Folder.write_ended, Counter[str]()

    def full_at_first(folder: Folder, ended: Ended) -> None:
        tries["all"] += 1
        if tries["all"] <= 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_ended(folder, ended)

    monkeypatch.setattr(local_engine, "RETRY_S", 0.01)
    monkeypatch.setattr(Folder, "write_ended", full_at_first)
    [end] = machine.run(a_leak(("true",)))

    assert (end.cause, tries["all"]) == (Cause.EXITED, 4)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
