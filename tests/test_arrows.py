"""The house's arrows are checked by a tool, and the tool bites."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("pandas", "numpy", "lightgbm", "sklearn", "ortools", "boto3", "fastapi", "sqlalchemy")
PACKAGES = ("headgate", "predictor", "packer", "queue_broker", "training")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as m; m()"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [*command, "--no-cache"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ("headgate", "import pandas"),
        ("packer", "import queue_broker.settings"),
        ("predictor", "import packer"),
        ("queue_broker/core", "import sqlalchemy"),
    ],
)
def test_a_deliberate_violation_breaks_the_build(tmp_path: Path, package: str, line: str) -> None:
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    (tmp_path / package / "violation.py").write_text(f"{line}\n")

    result = lint(tmp_path)
    assert result.returncode != 0
    assert "violation" in result.stdout


def test_importing_the_sdk_loads_nothing_heavy() -> None:
    code = f"import sys, headgate; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.strip() == "[]"
