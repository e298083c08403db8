"""Where commands print: a terminal, or a pipe or file that gets whole lines and no colours."""

from __future__ import annotations

import os
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

#: Of what is no terminal: nobody can make it wider afterwards, and programs read it by lines.
ENDLESS = 10_000


class Screen(Console):
    """A console that leaves lines whole where there is no terminal to fit them to.

    NO_COLOR leaves the words alone: no colours, and no bold either.
    """

    def __init__(self, **settings: Any) -> None:
        plain = bool(os.environ.get("NO_COLOR"))
        super().__init__(highlight=False, color_system=None if plain else "auto", **settings)

    @property  # type: ignore[misc]  # rich's can be set; nothing here does
    def width(self) -> int:
        asked = os.environ.get("COLUMNS", "")  # as it is now; rich keeps what it was when it began
        if asked.isdecimal():
            return int(asked)
        return super().width if self.is_terminal else ENDLESS

    @property
    def options(self) -> ConsoleOptions:
        return super().options.update_width(self.width)


console = Screen()


def columns(*names: str) -> Table:
    """A table without lines, as it is read and cut to pieces best."""
    return Table(*names, box=None, header_style="bold", pad_edge=False)


def waiting() -> Progress:
    """How far a long work is, for people; a pipe or a log gets nothing of it."""
    screen = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)
