"""Every command teaches: a line on each option, and examples that fit a terminal and parse."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from queue_broker.cli.main import COMMANDS, load
from queue_broker.simulation.baselines import BASELINES

#: What a terminal of 80 columns shows of an example without breaking it.
MOST_COLUMNS = 76
FENCED = re.compile(r"```\n(.*?)\n```", re.DOTALL)


def walk(path: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The command, or each of those in a group."""
    for name, one in getattr(command, "commands", {}).items():
        yield from walk((*path, name), one)
    if not hasattr(command, "commands"):
        yield path, command


ALL = [found for name in COMMANDS for found in walk((name,), load(name))]
EVERY = pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])


def examples(command: Any) -> list[str]:
    return [line for block in FENCED.findall(command.help) for line in block.splitlines()]


@EVERY
def test_every_option_says_what_it_is(path: tuple[str, ...], command: Any) -> None:
    assert command.help
    for one in command.params:
        assert one.help, one.name


@EVERY
def test_no_word_is_lost_on_the_screen(path: tuple[str, ...], command: Any) -> None:
    """Markdown takes <WORD> for markup, and leaves it out."""
    for text in (command.help, *(one.help for one in command.params)):
        assert not re.search(r"<\w+>", text), text


@EVERY
def test_every_command_shows_how_it_is_called(path: tuple[str, ...], command: Any) -> None:
    called = " ".join(("headgate", *path))

    assert any(called in line for line in examples(command))
    for line in examples(command):
        assert len(line) <= MOST_COLUMNS, line


@EVERY
def test_the_examples_parse(
    path: tuple[str, ...], command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Up to where the shell goes on with something else.
    call = re.compile(" ".join(("headgate", *path)) + r"( [^|>&)\"]*|$)")
    for found in filter(None, map(call.search, examples(command))):
        words = shlex.split(found[1])
        for word in words:
            if re.fullmatch(r"[\w-]+\.\w+", word):
                Path(word).touch()
        command.make_context(path[-1], words)


def test_the_policies_that_can_be_replayed_are_named() -> None:
    for name in BASELINES:
        assert name in load("simulate").help


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_offers_to_change_the_shell(name: str) -> None:
    offered = {one.name for one in load(name).params}
    assert not offered & {"install_completion", "show_completion"}
