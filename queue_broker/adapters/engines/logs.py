"""Logs in pages, by byte offset."""

from __future__ import annotations

import codecs
import io
from pathlib import Path
from typing import IO

from headgate.errors import InvalidInput, NotFound
from queue_broker.records import LogPage

#: A UTF-8 character is at most this long, so a page of fewer bytes might never move on.
LEAST_BYTES = 4


def read_file_page(log: Path, after: str | None, limit: int, over: bool) -> LogPage:
    """A page of a log file; `NotFound` when there is none."""
    try:
        with log.open("rb") as file:
            return _page(file, to_offset(after), limit, over)
    except FileNotFoundError as error:
        raise NotFound("this attempt has no log yet") from error


def read_page(data: bytes, after: str | None, limit: int, over: bool) -> LogPage:
    """A page of a log in memory."""
    return _page(io.BytesIO(data), to_offset(after), limit, over)


def _page(file: IO[bytes], offset: int, limit: int, over: bool) -> LogPage:
    """At most `limit` bytes from `offset` on; bytes that are not UTF-8 are shown as U+FFFD.

    `over`: nothing more will be written, so that the page which reaches the end is the last. It
    must have been found out before the file is read, or the last words could be missed.
    """
    file.seek(offset)
    data = file.read(max(limit, LEAST_BYTES))
    ended = over and not file.read(1)
    text, used = decode(data, final=ended)
    return LogPage(text, str(offset + used), ended)


def to_offset(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise InvalidInput.of("after", after, "the `next` of an earlier page")
    return int(after)


def decode(data: bytes, final: bool) -> tuple[str, int]:
    """The text, and how many bytes it is; the start of a character cut in two is left for later."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    text = decoder.decode(data, final)
    pending, _ = decoder.getstate()
    return text, len(data) - len(pending)
