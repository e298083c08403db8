"""Airflow's Batch hooks, unmodified: what its BatchOperator submits and waits with."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.wire_clients import need, site

SCRIPT = """
import sys
from airflow.providers.amazon.aws.hooks.batch_client import BatchClientHook
from airflow.providers.amazon.aws.hooks.batch_waiters import BatchWaitersHook

hook = BatchClientHook(aws_conn_id=None, region_name="us-east-1")
hook.client.register_job_definition(
    jobDefinitionName="airflow", type="container",
    containerProperties={"image": "busybox", "vcpus": 1, "memory": 128},
)

def submit(script):
    return hook.client.submit_job(
        jobName="airflow", jobQueue="default", jobDefinition="airflow",
        containerOverrides={"command": ["sh", "-c", script]},
    )["jobId"]

good, bad = submit("exit 0"), submit("exit 3")
hook.wait_for_job(good, delay=1)
assert hook.check_job_success(good)
hook.poll_for_job_complete(bad, delay=1)
assert hook.get_job_description(bad)["status"] == "FAILED"

waiters = BatchWaitersHook(aws_conn_id=None, region_name="us-east-1")
third = submit("exit 0")
waiters.wait_for_job(third, delay=1)
running = submit("sleep 600")
hook.poll_for_job_running(running, delay=1)
hook.terminate_job(running, "enough")
hook.poll_for_job_complete(running, delay=1)
print("all is well")
"""


def test_its_hooks_submit_wait_and_terminate(tmp_path: Path) -> None:
    need("airflow.providers.amazon.aws.hooks.batch_client")
    with site(tmp_path) as here:
        (tmp_path / "hooks.py").write_text(SCRIPT)
        done = here.python("hooks.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all is well" in done.stdout
