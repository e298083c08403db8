"""Multi-node jobs on one machine: all nodes of a job run side by side, in one task."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from headgate.lifecycle import Cause
from headgate.resources import Resources
from queue_broker.adapters.engines.local.gpu import Devices
from queue_broker.adapters.engines.local.nodes import shares
from queue_broker.nodes import Nodes
from queue_broker.records import Leak, Tasks
from tests.contract.engines import a_leak, wait_until
from tests.unit.queue_broker.adapters.engines.local.machine import Machine, use_of, waited

#: A node that tells the others that it is there, and waits for one of them.
MEETING = (
    "touch ../../here-$AWS_BATCH_JOB_NODE_INDEX; until [ -e ../../here-{} ]; do sleep 0.01; done"
)


def a_range(target: str, script: str, **environment: str) -> dict[str, Any]:
    listed = [{"name": name, "value": value} for name, value in environment.items()]
    container = {"command": ["sh", "-c", script], "environment": listed}
    return {"targetNodes": target, "container": container}


def several(count: int, *ranges: dict[str, Any], main: int = 0, **fields: Any) -> Leak:
    """A leak of a multi-node job, as SubmitJob makes it."""
    properties = {"numNodes": count, "mainNode": main, "nodeRangeProperties": list(ranges)}
    led = Nodes.of(properties).range_of(main)
    return a_leak(
        led.command,
        environment=dict(led.environment),
        batch={"nodeProperties": properties},
        **fields,
    )


def test_all_nodes_run_at_once_each_with_a_log_and_a_folder_of_its_own(machine: Machine) -> None:
    words = 'echo "$AWS_BATCH_JOB_ID of $AWS_BATCH_JOB_NUM_NODES"; pwd'
    leak = several(
        2,
        a_range("0", f"{words}; {MEETING.format(1)}"),
        a_range("1", f"{words}; {MEETING.format(0)}"),
    )

    (end,) = machine.run(leak)

    assert (end.cause, end.exit_code) == (Cause.EXITED, 0)
    work = machine.data / "attempts" / "leak-1"
    for node in (0, 1):
        told = machine.output(task=node)
        assert told == f"job-of-leak-1#{node} of 2\n{work}/{node}/work\n"


def test_only_nodes_beside_the_main_one_are_told_its_address(machine: Machine) -> None:
    words = "${AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS-none}"
    script = f'echo "$AWS_BATCH_JOB_NODE_INDEX of $AWS_BATCH_JOB_MAIN_NODE_INDEX {words}"'
    met = f"{MEETING.format(0)}; {MEETING.format(2)}"
    leak = several(3, a_range(":", f"{script}; {met}"), main=1)

    machine.run(leak)

    told = {machine.output(task=place) for place in range(3)}
    assert told == {"1 of 1 none\n", "0 of 1 127.0.0.1\n", "2 of 1 127.0.0.1\n"}
    assert machine.output().startswith("1 of")


def test_a_node_sees_its_own_variables_and_none_of_the_main_nodes(machine: Machine) -> None:
    script = 'echo "${A-none} ${B-none} $OMP_NUM_THREADS $(basename "$PWD")"; touch ../../over'
    leak = several(
        2,
        a_range("0", "until [ -e ../../over ]; do sleep 0.01; done", A="main", HOME="/nowhere"),
        a_range("1", script, B="other"),
        allocation=Resources(2, 128),
    )

    machine.run(leak)

    assert machine.output(task=1) == "none other 1 work\n"
    plan = (machine.data / "attempts/leak-1/0/nodes.json").read_text()
    assert "PATH" not in plan, "the machine's own variables are not written down"


def test_the_job_ends_as_its_main_node_does_and_stops_the_others(machine: Machine) -> None:
    leak = several(
        2,
        a_range("0", "until [ -e ../../ready ]; do sleep 0.01; done; exit 3"),
        a_range("1", 'trap "echo bye; exit" TERM; touch ../../ready; while :; do sleep 0.01; done'),
    )

    (end,) = machine.run(leak)

    assert (end.cause, end.exit_code) == (Cause.EXITED, 3)
    assert machine.output(task=1) == "bye\n"


def test_a_node_may_say_its_last_just_after_the_main_one_has_ended(machine: Machine) -> None:
    waits = "until [ -e ../../ready ]; do sleep 0.01; done"
    last = "touch ../../ready; sleep 0.2; echo last words"

    machine.run(several(2, a_range("0", waits), a_range("1", last)))

    assert machine.output(task=1) == "last words\n"


def test_a_node_that_fails_beside_the_main_one_changes_nothing(machine: Machine) -> None:
    leak = several(
        2,
        a_range("0", "until [ -e ../../over ]; do sleep 0.01; done; echo went on"),
        a_range("1", "touch ../../over; exit 7"),
    )

    (end,) = machine.run(leak)

    assert (end.exit_code, machine.output()) == (0, "went on\n")


def test_a_node_that_cannot_be_started_says_so_in_its_log(machine: Machine) -> None:
    missing = {"targetNodes": "1", "container": {"command": ["no-such-program"]}}

    (end,) = machine.run(several(2, a_range("0", "sleep 0.3"), missing))

    assert end.exit_code == 0
    assert "could not be started" in machine.output(task=1)
    assert "no-such-program" in machine.output(task=1)


def test_a_job_that_is_stopped_lets_all_its_nodes_end_in_their_own_way(machine: Machine) -> None:
    waits = "touch ../../up-$AWS_BATCH_JOB_NODE_INDEX; while :; do sleep 0.01; done"
    script = f'trap "sleep 0.1; echo bye; exit" TERM; {waits}'
    leak = several(2, a_range(":", script))
    machine.engine.hand_over([leak])
    folder = machine.data / "attempts/leak-1"
    wait_until(lambda: (folder / "up-0").exists() and (folder / "up-1").exists())

    machine.engine.stop(leak, Tasks([0]), interrupted=False)

    (end,) = waited(machine)
    assert end.cause is Cause.CANCELLED
    assert [machine.output(task=node).count("bye") for node in (0, 1)] == [1, 1]


def test_what_outlives_the_main_node_and_the_grace_is_killed(machine: Machine) -> None:
    stubborn = 'trap "" TERM; touch ../../up; while :; do echo on >../../beat; sleep 0.01; done'
    leak = several(
        2, a_range("0", "until [ -e ../../up ]; do sleep 0.01; done"), a_range("1", stubborn)
    )

    machine.run(leak)

    beat = machine.data / "attempts/leak-1/beat"
    beat.unlink()
    with pytest.raises(AssertionError):
        wait_until(beat.exists, patience_s=0.2)


def test_what_all_nodes_need_is_measured_together(machine: Machine) -> None:
    holds = f"{sys.executable} -S -c 'import time; held = bytearray(80 << 20); time.sleep(0.6)'"
    leak = several(2, a_range(":", holds), allocation=Resources(1, 512))

    (end,) = machine.run(leak)

    peak = use_of(end).peak_memory_mib
    assert peak is not None
    assert peak > 160


def test_nodes_run_on_when_the_broker_goes_and_the_next_one_takes_them_up(
    tmp_path: Path,
) -> None:
    until = "touch ../../up-{}; until [ -e ../../{} ]; do sleep 0.01; done"
    main = a_range("0", until.format(0, "over"))  # its end would stop the other one
    leak = several(
        2, main, a_range("1", until.format(1, "go") + "; echo went on; touch ../../over")
    )
    folder = tmp_path / "attempts/leak-1"
    first = Machine(tmp_path)
    first.engine.hand_over([leak])
    wait_until(lambda: (folder / "up-0").exists() and (folder / "up-1").exists())
    first.engine.detach()

    second = Machine(tmp_path)
    second.engine.adopt([leak])
    (folder / "go").touch()

    (end,) = waited(second)
    assert (end.cause, end.exit_code) == (Cause.EXITED, 0)
    assert second.output(task=1) == "went on\n"
    second.engine.close()


def test_a_job_of_one_node_runs_without_a_launcher(machine: Machine) -> None:
    leak = several(1, a_range("0", 'echo "$AWS_BATCH_JOB_ID $AWS_BATCH_JOB_NUM_NODES $PPID"'))

    machine.run(leak)

    assert machine.output().startswith("job-of-leak-1#0 1 ")
    assert not (machine.data / "attempts/leak-1/0/nodes.json").exists()


def test_a_nodes_log_is_whole_once_its_job_has_ended(machine: Machine) -> None:
    leak = several(2, a_range("0", "sleep 0.3"), a_range("1", "printf 'no end of line'"))

    machine.run(leak)

    assert machine.engine.logs("leak-1", 1, None, 1 << 20).ended


def test_nodes_have_the_gpus_among_them_that_they_asked_for() -> None:
    asked = [{"type": "GPU", "value": "2"}]
    ranges = [
        a_range("0", "main"),
        {"targetNodes": "1:2", "container": {"resourceRequirements": asked}},
    ]
    nodes = Nodes.of({"numNodes": 3, "mainNode": 0, "nodeRangeProperties": ranges})
    given = [one.indexes for one in shares(nodes, Devices((4, 5, 6, 7)))]
    assert given == [(), (4, 5), (6, 7)]
    fewer = [one.indexes for one in shares(nodes, Devices((4,)))]
    assert fewer == [(4,), (4,), (4,)], "where fewer were given, all see them"
