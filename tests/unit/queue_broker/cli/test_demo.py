"""The demo empties its folder first, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.errors import Conflict, InvalidInput
from queue_broker.adapters.store.leadership import LockFile
from queue_broker.cli.demo import LOG, empty


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """The folder of an earlier demo."""
    (tmp_path / LOG).touch()
    (tmp_path / "lake").mkdir()
    return tmp_path


def test_an_earlier_demo_is_emptied(former: Path) -> None:
    empty(former)

    assert list(former.iterdir()) == []


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    empty(tmp_path / "a" / "b")
    empty(tmp_path / "a" / "b")

    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_of_somebody_elses_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "headgate.db").touch()

    for path in (tmp_path, tmp_path / "headgate.db"):
        with pytest.raises(
            InvalidInput, match=r"--data-dir: got .*; allowed: a folder that is new"
        ):
            empty(path)
    assert (tmp_path / "headgate.db").exists()


def test_a_demo_that_runs_is_left_alone(former: Path) -> None:
    running = LockFile(former)
    running.try_lead()

    with pytest.raises(Conflict, match="another broker runs on"):
        empty(former)

    assert (former / LOG).exists()
    running.resign()


def test_a_folder_that_cannot_be_made_is_named() -> None:
    with pytest.raises(InvalidInput, match="--data-dir: got '/proc/demo'; allowed: a folder to wr"):
        empty(Path("/proc/demo"))
