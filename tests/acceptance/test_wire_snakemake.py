"""Snakemake's AWS Batch executors, unmodified: rules that hand on files by S3, one that fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.acceptance.wire_clients import Site, need, site

FAILED = re.compile("WorkflowError|job failed", re.IGNORECASE)
SNAKEFILE = """
rule all:
    input: "total.txt"

rule part:
    output: "part-{n}.txt"
    shell: "echo {wildcards.n} > {output}"

rule total:
    input: expand("part-{n}.txt", n=range(1, 4))
    output: "total.txt"
    shell: "cat {input} > {output}"

rule bad:
    output: "bad.txt"
    shell: "exit 3"
"""


#: The executors, and what only one of them is told.
EXECUTORS = {
    "aws-batch": ("--aws-batch-job-role", "arn:aws:iam::123456789012:role/any"),
    "aws-basic-batch": ("--aws-basic-batch-job-definition", "rule"),
}


@dataclass(frozen=True, slots=True)
class Snakemake:
    """One of the executors at a broker."""

    executor: str
    site: Site

    def make(self, target: str) -> str:
        """Its exit code, and all that it says."""
        done = self.site.command(
            *("snakemake", target, "--jobs", "3", "--executor", self.executor),
            *(f"--{self.executor}-region", "us-east-1"),
            *(f"--{self.executor}-job-queue", "default"),
            *EXECUTORS[self.executor],
            *("--default-storage-provider", "s3", "--default-storage-prefix", "s3://flow"),
            *("--storage-s3-endpoint-url", self.site.env["AWS_ENDPOINT_URL"]),
        )
        return f"{done.returncode}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module", params=sorted(EXECUTORS))
def here(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Snakemake]:
    executor: str = request.param
    need(f"snakemake_executor_plugin_{executor.replace('-', '_')}")
    need("snakemake_storage_plugin_s3")
    with site(tmp_path_factory.mktemp("snakemake")) as found:
        (found.folder / "Snakefile").write_text(SNAKEFILE)
        found.make_bucket("flow")
        # Where jobs bring no sources with them, their image has them: bash reads this first.
        image = found.folder / "image.sh"
        image.write_text(f"cp {found.folder / 'Snakefile'} . 2>/dev/null\n")
        environment = [{"name": "BASH_ENV", "value": str(image)}]
        container = {"image": "any", "vcpus": 1, "memory": 512, "environment": environment}
        found.batch().register_job_definition(
            jobDefinitionName="rule", type="container", containerProperties=container
        )
        yield Snakemake(executor, found)


def test_rules_run_as_jobs_and_hand_on_their_files(here: Snakemake) -> None:
    told = here.make("all")
    assert told.startswith("0\n"), told
    listed = here.site.batch().list_jobs(jobQueue="default", jobStatus="SUCCEEDED")[
        "jobSummaryList"
    ]
    assert len(listed) == 4


def test_a_rule_that_fails_is_told_with_its_exit_code(here: Snakemake) -> None:
    told = here.make("bad")
    assert told.startswith("1\n"), told
    assert FAILED.search(told), told
