from __future__ import annotations

import subprocess
import sys

import pytest

import headgate

LIGHT = """
import sys
import headgate.job, headgate.errors, headgate.lifecycle
assert "httpx" not in sys.modules, "the words of the leaf must not load the HTTP client"
import headgate
headgate.Client
heavy = {"pandas", "numpy", "pyarrow", "fastapi", "sqlalchemy", "lightgbm", "ortools", "typer"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
"""


def test_every_public_name_can_be_had() -> None:
    for name in headgate.__all__:
        assert getattr(headgate, name).__module__.startswith("headgate.")
    assert set(headgate.__all__) <= set(dir(headgate))


def test_a_name_that_is_not_there_is_refused_as_usual() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sbumit'"):
        headgate.sbumit  # noqa: B018


def test_the_sdk_loads_nothing_heavy() -> None:
    subprocess.run([sys.executable, "-c", LIGHT], check=True, timeout=30)
