from __future__ import annotations

import io

import pytest

from queue_broker.cli.screen import Screen

LONG = "word " * 100


@pytest.fixture(autouse=True)
def _no_wishes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def printed(**settings: object) -> str:
    sink = io.StringIO()
    Screen(file=sink, **settings).print(f"[bold red]{LONG}[/]")
    return sink.getvalue()


def test_a_pipe_gets_whole_lines_without_colours() -> None:
    assert printed() == f"{LONG}\n"


def test_a_terminal_gets_lines_that_fit_it_and_colours() -> None:
    shown = printed(force_terminal=True, width=80)

    assert len(shown.splitlines()) > 5
    assert "\x1b[1;31m" in shown


def test_no_color_leaves_the_words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    assert "\x1b" not in printed(force_terminal=True, width=80)


def test_columns_bound_what_is_piped_where_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    assert max(map(len, printed().splitlines())) <= 40
