"""GPUs are handed out whole and watched; nvidia-smi is a stand-in that says what it always says."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.resources import Resources
from queue_broker.adapters.engines.local.gpu import Gpu, Gpus, find
from queue_broker.records import Tasks
from tests.contract.engines import a_leak, wait_until
from tests.unit.queue_broker.adapters.engines.local.machine import Machine, use_of, waited

NVIDIA_SMI = """#!/bin/sh
case $1 in
*name*) printf '0, Tesla T4, 15360\\n1, Tesla T4, 15360\\n' ;;
*) printf '0, 1200, 50\\n1, [N/A], 10\\n' ;;
esac
"""


@pytest.fixture
def nvidia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(NVIDIA_SMI)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")


def test_without_nvidia_smi_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert find() == []


@pytest.mark.usefixtures("nvidia")
def test_the_gpus_of_the_machine_are_found() -> None:
    assert find() == [Gpu(0, "Tesla T4", 15360), Gpu(1, "Tesla T4", 15360)]


@pytest.mark.usefixtures("nvidia")
def test_the_use_of_the_devices_taken_is_seen_and_a_figure_that_is_missing_is_passed_over() -> None:
    gpus = Gpus(find(), period_s=0.01)
    both, second = gpus.take(1), gpus.take(1)

    wait_until(lambda: both.looks >= 2)
    gpus.close()

    assert (both.indexes, both.peak_mib, both.utilisation) == ((0,), 1200.0, 0.5)
    assert (second.indexes, second.peak_mib, second.utilisation) == ((1,), None, None)


def test_more_devices_than_are_free_cannot_be_taken() -> None:
    gpus = Gpus([Gpu(0, "T4", 1)])
    held = gpus.take(1)

    with pytest.raises(ValueError, match="1 GPUs are wanted, 0 are free"):
        gpus.take(1)
    gpus.give_back(held)
    assert gpus.take(1).indexes == (0,)
    gpus.close()


@pytest.mark.usefixtures("nvidia")
def test_tasks_see_their_own_devices_and_their_use_is_measured(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "data")
    (lane,) = machine.engine.lanes()
    show = ("sh", "-c", "echo [$CUDA_VISIBLE_DEVICES]; exec sleep 600")
    one = Resources(0.1, 64, 1)
    leak = a_leak(show, (0, 1), allocation=one)
    none = a_leak(("sh", "-c", "echo [$CUDA_VISIBLE_DEVICES]"), name="none")

    machine.engine.hand_over([leak, none])
    devices = machine.engine._gpus
    wait_until(lambda: any(taken.looks for taken in devices._taken))
    wait_until(lambda: machine.started() == 3)
    wait_until(lambda: all(machine.output("leak-1", task) for task in (0, 1)))
    machine.engine.stop(leak, Tasks([0, 1]), interrupted=False)
    ends = {(end.leak, end.task): end for end in waited(machine, 3)}
    machine.engine.close()

    assert lane.shape.gpus == 2
    assert (lane.gpu_model, lane.gpu_memory_mib) == ("Tesla T4", 15360)
    assert machine.output("leak-1", 0) == "[0]\n"
    assert machine.output("leak-1", 1) == "[1]\n"
    assert machine.output("none") == "[]\n"
    assert use_of(ends["leak-1", 0]).gpu_memory_mib == 1200.0
    assert use_of(ends["none", 0]).gpu_memory_mib is None
