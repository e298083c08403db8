"""awslogs, unmodified: it lists the streams, follows them by FilterLogEvents, and filters."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.brokers import wait_until
from tests.acceptance.wire_clients import PYTHON, Site, need, site

GROUP = "/aws/batch/job"
SCRIPT = "for one in 1 2 3; do echo $NAME says $one; sleep 1; done; echo ERROR of $NAME"
SHELL = ["sh", "-c", SCRIPT]
#: So often it looks for more, in seconds.
INTERVAL = "1"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    need("awslogs")
    with site(tmp_path_factory.mktemp("awslogs")) as found:
        found.batch().register_job_definition(
            jobDefinitionName="say",
            type="container",
            containerProperties={"image": "busybox", "vcpus": 1, "memory": 64, "command": SHELL},
        )
        yield found


def awslogs(here: Site, *arguments: str) -> list[str]:
    """The command. It takes AWS_ENDPOINT_URL for that of every service."""
    command = str(Path(PYTHON).parent / "awslogs")
    return [command, *arguments, "--aws-endpoint-url", here.broker.url]


def submit(here: Site, name: str) -> str:
    environment = {"environment": [{"name": "NAME", "value": name}]}
    asked = {"jobName": name, "jobQueue": "default", "jobDefinition": "say"}
    return str(here.batch().submit_job(**asked, containerOverrides=environment)["jobId"])


def test_lines_of_several_jobs_are_followed_while_they_are_written(here: Site) -> None:
    command = awslogs(here, "get", GROUP, "ALL", "--watch", "-i", INTERVAL, "-GS")
    with subprocess.Popen(command, env=dict(here.env), stdout=subprocess.PIPE, text=True) as watch:
        for name in ("ann", "bob"):
            submit(here, name)
        assert watch.stdout is not None
        told: list[str] = []
        for line in watch.stdout:
            told.append(line.strip())
            if sum("ERROR" in one for one in told) == 2:
                break
        watch.terminate()
    for name in ("ann", "bob"):
        mine = [one for one in told if name in one]
        assert mine == [*(f"{name} says {at}" for at in (1, 2, 3)), f"ERROR of {name}"]


def test_streams_are_listed_and_their_events_filtered(here: Site) -> None:
    job_id = submit(here, "eve")

    def ended() -> bool:
        return str(here.batch().describe_jobs(jobs=[job_id])["jobs"][0]["status"]) == "SUCCEEDED"

    wait_until(ended, "the job to succeed")
    stream = f"say/default/{job_id}"
    assert stream in here.command(*awslogs(here, "streams", GROUP)).stdout.split()
    found = here.command(*awslogs(here, "get", GROUP, stream, "-f", "ERROR -bob", "-GS"))
    assert found.stdout.split("\n")[0] == "ERROR of eve", found.stderr
