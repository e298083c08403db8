"""Old attempts' folders go, so that the disk does not fill for ever."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

logger = logging.getLogger(__name__)


def sweep_out(attempts: Path, before_s: float, in_use: Callable[[str], bool]) -> list[str]:
    """Remove the leaks all of whose attempts were last touched before a time; returns their names.

    `in_use` says whether a leak has tasks that run or wait, however old they are.
    """
    old = [
        folder
        for folder in sorted(attempts.iterdir())
        if folder.is_dir() and last_touched_s(folder) < before_s and not in_use(folder.name)
    ]
    for folder in old:
        logger.info("removing the attempts of %s", folder.name)
        shutil.rmtree(folder, ignore_errors=True)
    return [folder.name for folder in old]


def last_touched_s(leak: Path) -> float:
    """An attempt's folder is touched by its start and by its end."""
    return max(path.stat().st_mtime for path in (leak, *leak.iterdir()))
