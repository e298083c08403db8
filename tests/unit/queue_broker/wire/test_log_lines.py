from __future__ import annotations

from typing import Any

import pytest

from headgate.errors import NotFound
from queue_broker.adapters.engines.logs import read_page
from queue_broker.records import LogPage
from queue_broker.wire.log_lines import PIECE_BYTES, Log, Logs


class Engine:
    """Has one log, which a test writes."""

    def __init__(self) -> None:
        self.data: bytes | None = None
        self.over = False

    def logs(self, leak: str, task: int, after: str | None, limit: int) -> LogPage:
        if self.data is None:
            raise NotFound("nothing was written")
        return read_page(self.data, after, limit, self.over)


class Read:
    """A log that began at 1000, and the engine that has it."""

    def __init__(self) -> None:
        self.engine: Any = Engine()
        self.log = Log("leak", 0, seen_ms=1000)

    def write(self, data: bytes, at_ms: int) -> None:
        """Write, and read on at this time."""
        self.engine.data = (self.engine.data or b"") + data
        self.log.read_on(self.engine, at_ms)

    def told(self, **asked: Any) -> list[tuple[int, str]]:
        return [(one.at_ms, one.text) for one in self.log.forward(self.engine, **asked)]

    def told_backward(self, **asked: Any) -> list[tuple[int, str]]:
        return [(one.at_ms, one.text) for one in self.log.backward(self.engine, **asked)]


def test_lines_are_spread_over_the_time_in_which_they_were_written() -> None:
    read = Read()
    read.write(b"a\nb\n", 2000)
    read.write(b"c\n", 3000)
    assert read.told() == [(1500, "a"), (2000, "b"), (3000, "c")]
    assert read.told_backward() == [(3000, "c"), (2000, "b"), (1500, "a")]


def test_a_lines_time_does_not_change_when_more_is_written() -> None:
    read = Read()
    read.write(b"a\nb\n", 2000)
    before = read.told()
    read.log.read_on(read.engine, 5000)
    read.write(b"c\nd\n", 6000)
    assert read.told()[:2] == before
    assert read.told()[2:] == [(5500, "c"), (6000, "d")]


def test_a_line_that_is_still_being_written_waits_for_its_end() -> None:
    read = Read()
    read.write(b"a\nhalf", 2000)
    assert read.told() == [(2000, "a")]
    read.write(b" and half", 3000)
    assert read.told() == [(2000, "a")]
    read.engine.over = True
    read.log.read_on(read.engine, 4000)
    assert read.told() == [(2000, "a"), (4000, "half and half")]
    assert read.log.whole


def test_lines_are_read_from_a_number_or_a_time_on() -> None:
    read = Read()
    for at in range(10):
        read.write(f"{at}\n".encode(), 2000 + at * 1000)
    assert [text for _, text in read.told(number=7)] == ["7", "8", "9"]
    assert [text for _, text in read.told(since_ms=10_000)] == ["8", "9"]
    assert [text for _, text in read.told_backward(number=2)] == ["1", "0"]
    assert [text for _, text in read.told_backward(until_ms=3000)] == ["1", "0"]
    assert read.told_backward(number=0) == []


def test_a_log_of_many_pieces_is_read_whole() -> None:
    read = Read()
    lines = [f"Zeile {at} ü" for at in range(20_000)]
    read.write("".join(f"{one}\n" for one in lines).encode(), 9000)
    assert len(read.log.pieces) > 2
    assert [text for _, text in read.told()] == lines
    assert [text for _, text in read.told_backward()] == lines[::-1]
    times = [at_ms for at_ms, _ in read.told()]
    assert times == sorted(times)
    assert (times[0], times[-1]) == (1000, 9000)


def test_a_line_longer_than_a_piece_comes_in_several() -> None:
    read = Read()
    read.write(b"x" * (PIECE_BYTES * 2 + 5) + b"\nnext\n", 2000)
    told = [text for _, text in read.told()]
    assert "".join(told[:-1]) == "x" * (PIECE_BYTES * 2 + 5)
    assert told[-1] == "next"


def test_an_end_of_a_line_that_two_pieces_share_makes_one_line() -> None:
    read = Read()
    first = "x" * (PIECE_BYTES - 3)
    read.write(f"a\n{first}\r\nb\n".encode(), 2000)
    assert [text for _, text in read.told()] == ["a", first, "b"]


def test_bytes_that_are_no_text_are_told_once() -> None:
    read = Read()
    read.write(b"\xff\xfe\nfine\n", 2000)
    read.write(b"more\n", 3000)
    assert [text for _, text in read.told()] == ["\ufffd\ufffd", "fine", "more"]


def test_a_log_that_is_gone_has_no_lines_any_more() -> None:
    read = Read()
    read.write(b"a\n", 2000)
    read.engine.data = None
    assert read.told() == []
    read.log.read_on(read.engine, 3000)


@pytest.mark.parametrize(("most", "same"), [(2, True), (1, False)])
def test_only_so_many_logs_are_remembered(most: int, same: bool) -> None:
    logs = Logs(most)
    first = logs.of("a", 0, 0)
    logs.of("b", 0, 0)
    assert (logs.of("a", 0, 0) is first) == same
