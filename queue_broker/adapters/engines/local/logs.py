"""A log file in pages, by byte offset."""

from __future__ import annotations

import codecs
from pathlib import Path

from headgate.errors import InvalidInput, NotFound
from queue_broker.records import LogPage

#: A UTF-8 character is at most this long, so a page of fewer bytes might never move on.
LEAST_BYTES = 4


def page(log: Path, after: str | None, limit: int, over: bool) -> LogPage:
    """At most `limit` bytes from offset `after` on; bytes that are not UTF-8 are shown as U+FFFD.

    `over`: nothing more will be written, so the page that reaches the end is the last one. It must
    have been asked for before the file is read, or the last words could be missed.
    """
    offset = to_offset(after)
    try:
        with log.open("rb") as file:
            file.seek(offset)
            data = file.read(max(limit, LEAST_BYTES))
            at_end = not file.read(1)
    except FileNotFoundError as error:
        raise NotFound("this attempt has no log yet") from error
    ended = over and at_end
    text, used = decode(data, final=ended)
    return LogPage(text, str(offset + used), ended)


def to_offset(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit()):
        raise InvalidInput.of("after", after, "the `next` of an earlier page")
    return int(after)


def decode(data: bytes, final: bool) -> tuple[str, int]:
    """The text, and how many bytes it is; the start of a character cut in two is left for later."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    text = decoder.decode(data, final)
    pending, _ = decoder.getstate()
    return text, len(data) - len(pending)
