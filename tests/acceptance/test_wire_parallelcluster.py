"""AWS ParallelCluster's commands for Batch, unmodified: awsbsub, awsbstat, awsbout, awsbkill."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.brokers import wait_until
from tests.acceptance.wire_clients import PYTHON, Site, need, site

CONFIG = """
[main]
cluster_name = ours
region = us-east-1

[cluster ours]
region = us-east-1
s3_bucket = cluster
artifact_directory = jobs
batch_cli_requirements = aws-parallelcluster-awsbatch-cli>=0.1
compute_environment = headgate
job_queue = default
job_definition = cluster:1
job_definition_mnp = nodes:1
head_node_ip = 127.0.0.1
proxy = NONE
"""
CONTAINER = {"image": "busybox", "vcpus": 1, "memory": 128}
#: A command that is given as arguments wants a terminal; else a script is read from stdin.
ON_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
JOB = re.compile(r"Job ([0-9a-f-]{36}) .*has been submitted")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    need("awsbatch")
    with site(tmp_path_factory.mktemp("cluster")) as found:
        folder = found.folder / ".parallelcluster"
        folder.mkdir()
        (folder / "awsbatch-cli.cfg").write_text(CONFIG)
        found.make_bucket("cluster")
        found.batch().register_job_definition(
            jobDefinitionName="cluster",
            type="container",
            containerProperties=CONTAINER,
        )
        found.batch().register_job_definition(
            jobDefinitionName="nodes",
            type="multinode",
            nodeProperties={
                "numNodes": 1,
                "mainNode": 0,
                "nodeRangeProperties": [{"targetNodes": "0:", "container": CONTAINER}],
            },
        )
        yield found


def submit(here: Site, *arguments: str) -> str:
    command = str(Path(PYTHON).with_name("awsbsub"))
    done = here.python("-c", ON_A_TERMINAL, command, *arguments)
    found = JOB.search(done.stdout)
    assert found is not None, done.stdout + done.stderr
    return found.group(1)


def say(here: Site, name: str, *arguments: str) -> str:
    done = here.command(str(Path(PYTHON).with_name(name)), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def status(here: Site, job_id: str) -> str:
    (line,) = (one for one in say(here, "awsbstat", "-d", job_id).splitlines() if "status  " in one)
    return line.split()[-1]


def test_a_job_is_submitted_listed_and_its_output_read(here: Site) -> None:
    job_id = submit(here, "-jn", "greet", "-p", "1", "-m", "200", "echo", "hello")
    wait_until(lambda: status(here, job_id) == "SUCCEEDED", "the job to succeed")
    assert job_id in say(here, "awsbstat", "-s", "ALL")
    assert "hello" in say(here, "awsbout", job_id)


def test_an_array_is_listed_with_its_size(here: Site) -> None:
    job_id = submit(here, "-jn", "many", "-a", "3", "true")
    assert f"{job_id} [3]" in say(here, "awsbstat", "-s", "ALL")


def test_a_job_of_several_nodes_is_told_with_them_and_each_has_an_output(here: Site) -> None:
    script = here.folder / "node.sh"
    script.write_text("echo node $AWS_BATCH_JOB_NODE_INDEX; sleep 1\n")
    job_id = submit(here, "-jn", "nodes", "-n", "2", "-m", "128", "sh", str(script))
    wait_until(lambda: "SUCCEEDED" in say(here, "awsbstat", "-d", job_id), "the job to succeed")
    assert f"{job_id} *2" in say(here, "awsbstat", "-s", "ALL")
    assert "node 0" in say(here, "awsbout", f"{job_id}#0")
    assert "node 1" in say(here, "awsbout", f"{job_id}#1")


def test_a_job_is_killed_with_a_reason(here: Site) -> None:
    job_id = submit(here, "-jn", "slow", "sleep", "60")
    assert "submitted" in say(here, "awsbkill", "-r", "not needed", job_id)
    wait_until(lambda: status(here, job_id) == "FAILED", "the job to be killed")
    assert "not needed" in say(here, "awsbstat", "-d", job_id)


def test_queues_and_hosts_are_told(here: Site) -> None:
    assert "VALID" in say(here, "awsbqueues")
    assert "instanceType" in say(here, "awsbhosts")
