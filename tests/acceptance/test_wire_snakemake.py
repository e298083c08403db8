"""Snakemake's AWS Batch executor, unmodified: rules that hand on files by S3, one that fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.wire_clients import Site, need, site

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


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    need("snakemake_executor_plugin_aws_batch")
    need("snakemake_storage_plugin_s3")
    with site(tmp_path_factory.mktemp("snakemake")) as found:
        (found.folder / "Snakefile").write_text(SNAKEFILE)
        found.make_bucket("flow")
        yield found


def snakemake(here: Site, target: str) -> str:
    done = here.command(
        *("snakemake", target, "--jobs", "3", "--executor", "aws-batch"),
        *("--aws-batch-region", "us-east-1", "--aws-batch-job-queue", "default"),
        *("--aws-batch-job-role", "arn:aws:iam::123456789012:role/any"),
        *("--default-storage-provider", "s3", "--default-storage-prefix", "s3://flow"),
        *("--storage-s3-endpoint-url", here.env["AWS_ENDPOINT_URL"]),
    )
    return f"{done.returncode}\n{done.stdout}{done.stderr}"


def test_rules_run_as_jobs_and_hand_on_their_files(here: Site) -> None:
    told = snakemake(here, "all")
    assert told.startswith("0\n"), told
    listed = here.batch().list_jobs(jobQueue="default", jobStatus="SUCCEEDED")["jobSummaryList"]
    assert len(listed) == 4


def test_a_rule_that_fails_is_told_with_its_exit_code(here: Site) -> None:
    told = snakemake(here, "bad")
    assert told.startswith("1\n"), told
    assert "AWS Batch job failed. Code: 1" in told
