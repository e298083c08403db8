"""Files that commands read and write: what is wrong with one is said before any work is done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from headgate.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from queue_broker.core.limits import LimitsFile


def read_text(option: str, path: Path) -> str:
    """The text of a file; `InvalidInput` names the option."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput.of(option, str(path), f"a file that can be read ({error})") from error


def read_limits(option: str, path: Path) -> LimitsFile:
    """Tiers and tenants as `headgate tenants export` writes them."""
    from headgate.validation import parse
    from queue_broker.core.limits import LimitsFile

    try:
        return parse(LimitsFile, read_text(option, path))
    except InvalidInput as error:
        if not error.problems or error.problems[0].field == option:
            raise
        where = [Problem(f"{option}: {one.field}", one.got, one.allowed) for one in error.problems]
        raise InvalidInput(where) from error


def check_output(option: str, path: Path | None) -> None:
    """Refuse a file that cannot be written at the end of what may take an hour."""
    if path is None:
        return
    there = path if path.exists() else path.absolute().parent
    if path.is_dir() or not os.access(there, os.W_OK):
        raise InvalidInput.of(option, str(path), "a file in a folder that is there and writable")
