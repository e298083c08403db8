"""The lines of one attempt's log, each with the time by which it was written.

No engine keeps the time of a line. But what was not in a log when it was last read was written
since, so each reading gives the lines that it finds a span of time, and they are spread over it.
So a line keeps its time for as long as this process lives, and who follows several logs by time
(`aws logs tail`) misses none: whatever comes later in any of them has a later time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock

from headgate.errors import NotFound
from queue_broker.ports import Engine
from queue_broker.records import LogPage

#: What is read of a log at once. Hundreds of logs may be merged, a piece of each in memory.
PIECE_BYTES = 1 << 16
#: Logs whose times are remembered.
MOST_LOGS = 10_000
#: A page may be so much shorter than was asked for: a character that was cut in two is left out.
LEAST_BYTES = 4


@dataclass(frozen=True, slots=True)
class Line:
    """`number` counts a log's lines from 0."""

    at_ms: int
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines that were found in one reading, and where the engine has them."""

    after: str | None
    size: int  #: in bytes
    first: int  #: the number of its first line
    count: int
    from_ms: int = 0
    to_ms: int = 0  #: its lines were written after `from_ms`, the last of them at this time

    def at_ms(self, number: int) -> int:
        passed = (self.to_ms - self.from_ms) * (number - self.first + 1) // self.count
        return self.from_ms + passed


@dataclass(slots=True)
class Log:
    """What is known of one attempt's log. Safe to share among threads."""

    leak: str
    task: int
    seen_ms: int  #: all that was written until then is in `pieces`; at first, when it started
    pieces: list[Piece] = field(default_factory=list)
    whole: bool = False
    _after: str | None = None
    _lock: Lock = field(default_factory=Lock)

    @property
    def count(self) -> int:
        """Of lines."""
        return self.pieces[-1].first + self.pieces[-1].count if self.pieces else 0

    def read_on(self, engine: Engine, now_ms: int) -> None:
        """Find what was written since. The end of a line that is still being written is left."""
        with self._lock:
            if self.whole:
                return
            found = list(self._news(engine))
            size, passed, start_ms = sum(one.size for one in found), 0, self.seen_ms
            end_ms = max(now_ms, start_ms)
            for one in found:
                from_ms = start_ms + (end_ms - start_ms) * passed // size
                passed += one.size
                to_ms = start_ms + (end_ms - start_ms) * passed // size
                self.pieces.append(Piece(one.after, one.size, one.first, one.count, from_ms, to_ms))
            self.seen_ms = end_ms

    def _news(self, engine: Engine) -> Iterator[Piece]:
        first = self.count
        while True:
            try:
                page = engine.logs(self.leak, self.task, self._after, PIECE_BYTES)
            except NotFound:  # nothing was written yet
                return
            lines = whole_lines(page)
            if lines:
                size = len("".join(lines).encode())
                if "\ufffd" in page.text:  # bytes that were no UTF-8 have no length any more
                    lines, size = page.text.splitlines(), int(page.next) - int(self._after or 0)
                yield Piece(self._after, size, first, len(lines))
                self._after, first = str(int(self._after or 0) + size), first + len(lines)
            if page.ended:
                self.whole = True
            if page.ended or not lines:
                return

    def forward(self, engine: Engine, number: int = 0, since_ms: int = 0) -> Iterator[Line]:
        """The known lines from this number and this time on."""
        at = max(bisect_right(self.pieces, number, key=lambda one: one.first) - 1, 0)
        for piece in self.pieces[at:]:
            if piece.to_ms >= since_ms:
                for one in self._lines(engine, piece):
                    if one.number >= number and one.at_ms >= since_ms:
                        yield one

    def backward(
        self, engine: Engine, number: int | None = None, until_ms: int | None = None
    ) -> Iterator[Line]:
        """The known lines before this number and until this time, the last one first."""
        before = self.count if number is None else number
        at = bisect_right(self.pieces, before - 1, key=lambda one: one.first)
        for piece in reversed(self.pieces[:at]):
            if until_ms is None or piece.from_ms <= until_ms:
                for one in reversed(self._lines(engine, piece)):
                    if one.number < before and (until_ms is None or one.at_ms <= until_ms):
                        yield one

    def _lines(self, engine: Engine, piece: Piece) -> list[Line]:
        try:
            page = engine.logs(self.leak, self.task, piece.after, piece.size)
        except NotFound:  # its folder was cleaned up since
            return []
        numbers = range(piece.first, piece.first + piece.count)
        # An engine may give some more than it was asked for.
        return [
            Line(piece.at_ms(number), number, text)
            for number, text in zip(numbers, page.text.splitlines(), strict=False)
        ]


def whole_lines(page: LogPage) -> list[str]:
    """A page's lines with their ends; a line longer than a page is cut."""
    lines = page.text.splitlines(keepends=True)
    full = len(page.text.encode()) > PIECE_BYTES - LEAST_BYTES
    # A \r at the end of a full page may be the first half of a line's end.
    over = lines[-1].endswith("\n" if full else ("\n", "\r")) if lines else True
    if not over and not page.ended and (len(lines) > 1 or not full):
        lines.pop()
    return lines


class Logs:
    """The logs that were asked for lately."""

    def __init__(self, most: int = MOST_LOGS) -> None:
        self._known: OrderedDict[tuple[str, int], Log] = OrderedDict()
        self._most = most
        self._lock = Lock()

    def of(self, leak: str, task: int, started_ms: int) -> Log:
        """The log of an attempt that started then."""
        with self._lock:
            found = self._known.pop((leak, task), None) or Log(leak, task, started_ms)
            self._known[leak, task] = found
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        return found
