"""Metaflow's @batch, unmodified: a foreach of five, @resources, and a step that fails once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.acceptance.wire_clients import Site, need, site

FLOW = """
from metaflow import FlowSpec, batch, current, resources, retry, step

class Squares(FlowSpec):
    @step
    def start(self):
        self.numbers = list(range(5))
        self.next(self.square, foreach="numbers")

    @retry(times=2, minutes_between_retries=0)
    @resources(memory=300)
    @batch(cpu=1, image="python:3.11")
    @step
    def square(self):
        if self.input == 2 and current.retry_count == 0:
            raise ValueError("once")
        self.result = self.input ** 2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(one.result for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        print("the total is", self.total)

if __name__ == "__main__":
    Squares()
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    need("metaflow")
    with site(tmp_path_factory.mktemp("metaflow")) as found:
        (found.folder / "flow.py").write_text(FLOW)
        found.make_bucket("metaflow")
        metaflow = {
            "METAFLOW_DATASTORE_SYSROOT_S3": "s3://metaflow/data",
            "METAFLOW_DEFAULT_DATASTORE": "s3",
            "METAFLOW_DEFAULT_METADATA": "local",
            "METAFLOW_BATCH_JOB_QUEUE": "default",
            "METAFLOW_ECS_S3_ACCESS_IAM_ROLE": "arn:aws:iam::123456789012:role/any",
            "METAFLOW_S3_ENDPOINT_URL": found.env["AWS_ENDPOINT_URL"],
            "METAFLOW_USER": "tester",
            "USERNAME": "tester",
        }
        yield replace(found, env={**found.env, **metaflow})


def test_a_flow_with_a_step_that_fails_once_comes_to_its_end(here: Site) -> None:
    done = here.python("flow.py", "--no-pylint", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the total is 30" in done.stdout + done.stderr
    listed = here.python("flow.py", "--no-pylint", "batch", "list")
    assert listed.returncode == 0, listed.stderr
    killed = here.python("flow.py", "--no-pylint", "batch", "kill")
    assert killed.returncode == 0, killed.stderr


def test_its_compiled_state_machine_is_rewritten(here: Site) -> None:
    more = {
        "METAFLOW_SFN_IAM_ROLE": "arn:aws:iam::123456789012:role/any",
        "METAFLOW_EVENTS_SFN_ACCESS_IAM_ROLE": "arn:aws:iam::123456789012:role/any",
        "METAFLOW_SFN_DYNAMO_DB_TABLE": "any",
    }
    there = replace(here, env={**here.env, **more})
    made = there.python("flow.py", "--no-pylint", "--datastore=s3", "step-functions", "create",
                        "--only-json")  # fmt: skip
    assert made.returncode == 0, made.stderr
    file = here.folder / "flow.json"
    file.write_text(made.stdout)
    inbox = ("--queue-url", "https://sqs.us-east-1.amazonaws.com/123456789012/inbox")
    done = here.broker.run("stepfunctions", "rewrite", str(file), *inbox)
    assert done.returncode == 0, done.stderr
    assert "batch:submitJob" not in done.stdout
    assert "sqs:sendMessage.waitForTaskToken" in json.dumps(json.loads(done.stdout))
