"""TorchX's command line, unmodified: every job that its scheduler makes is a multi-node one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.brokers import wait_until
from tests.acceptance.wire_clients import Site, need, site

COMPONENTS = """
import torchx.specs as specs

def role(name, replicas, script):
    small = specs.Resource(cpu=1, gpu=0, memMB=64)
    return specs.Role(name, image="none", entrypoint="sh", args=["-c", script],
                      num_replicas=replicas, resource=small)

def several(script: str, replicas: int = 2) -> specs.AppDef:
    return specs.AppDef("several", roles=[role("worker", replicas, script)])

def led(leader: str, reader: str) -> specs.AppDef:
    return specs.AppDef("led", roles=[role("leader", 1, leader), role("reader", 1, reader)])
"""
RUN = ("run", "--scheduler", "aws_batch", "--scheduler_args", "queue=default", "--workspace", "")
#: A node that says who it is, and waits until the other one has said it too.
MEET = (
    "touch ../../here-$AWS_BATCH_JOB_NODE_INDEX; "
    "until [ -e ../../here-0 ] && [ -e ../../here-1 ]; do sleep 0.05; done; "
    "echo node $AWS_BATCH_JOB_NODE_INDEX of $AWS_BATCH_JOB_NUM_NODES, "
    "led by ${AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS-itself}; "
    "touch ../../said-$AWS_BATCH_JOB_NODE_INDEX; "  # the main node's end stops the other one
    "until [ -e ../../said-1 ]; do sleep 0.05; done"
)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    need("torchx.schedulers.aws_batch_scheduler, boto3")
    with site(tmp_path_factory.mktemp("torchx")) as found:
        (found.folder / "ours.py").write_text(COMPONENTS)
        yield found


def torchx(here: Site, *arguments: str) -> str:
    done = here.python("-m", "torchx.cli.main", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run(here: Site, component: str, *arguments: str) -> str:
    """Submit; the app's handle."""
    return torchx(here, *RUN, f"ours.py:{component}", *arguments).strip().splitlines()[-1]


def is_in(here: Site, app: str, state: str) -> bool:
    return f"State: {state}" in torchx(here, "status", app)


def ended(here: Site, app: str, state: str) -> None:
    wait_until(lambda: is_in(here, app, state), f"{app} to be {state}")


def test_all_replicas_run_at_once_and_each_has_a_log(here: Site) -> None:
    app = run(here, "several", "--script", MEET)
    ended(here, app, "SUCCEEDED")
    assert sorted(torchx(here, "log", app).splitlines()) == [
        "worker/0 node 0 of 2, led by itself",
        "worker/1 node 1 of 2, led by 127.0.0.1",
    ]
    assert app in torchx(here, "list", "--scheduler", "aws_batch")


def test_roles_run_different_commands_and_the_first_one_ends_the_job(here: Site) -> None:
    reader = "echo reading; touch ../../read; sleep 600"
    leader = "until [ -e ../../read ]; do sleep 0.05; done; echo leading"
    app = run(here, "led", "--leader", leader, "--reader", reader)
    ended(here, app, "SUCCEEDED")
    assert torchx(here, "log", f"{app}/reader/0") == "reader/0 reading\n"
    described = torchx(here, "describe", app)
    assert "'name': 'leader'" in described
    assert "'name': 'reader'" in described


def test_a_single_replica_that_fails_fails_its_app(here: Site) -> None:
    app = run(here, "several", "--replicas", "1", "--script", "echo oh; exit 3")
    ended(here, app, "FAILED")
    assert torchx(here, "log", app) == "worker/0 oh\n"


def test_an_app_is_cancelled(here: Site) -> None:
    app = run(here, "several", "--script", "sleep 600")
    ended(here, app, "RUNNING")
    torchx(here, "cancel", app)
    ended(here, app, "FAILED")
