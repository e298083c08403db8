"""Sets of task indexes as people write them: `0-99,200` is the first hundred and task 200."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headgate.errors import InvalidInput
from headgate.job import MAX_SWEEP_SIZE

#: Both ends belong to it.
Span = tuple[int, int]

ALLOWED = f"indexes and ranges such as 0-99,200, each from 0 to {MAX_SWEEP_SIZE - 1}"


def parse_slice(text: str, field: str = "tasks") -> list[Span]:
    """The spans of `0-99,200`, as written; `InvalidInput` names the part that is wrong."""
    return [_span(part.strip(), field) for part in text.split(",")]


def _span(part: str, field: str) -> Span:
    first, dash, last = part.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        raise InvalidInput.of(field, part, ALLOWED)
    span = int(first), int(last if dash else first)
    if span[0] > span[1] or span[1] >= MAX_SWEEP_SIZE:
        raise InvalidInput.of(field, part, ALLOWED)
    return span


def show_slice(tasks: str | int | Iterable[int]) -> str:
    """Indexes as `0-99,200`; text is taken to be written so already."""
    if isinstance(tasks, str):
        return tasks
    if isinstance(tasks, int):
        return str(tasks)
    if isinstance(tasks, range) and tasks.step == 1 and tasks:
        return _show((tasks[0], tasks[-1]))
    return show_spans(spans(sorted(set(tasks))))


def show_spans(many: Iterable[Span]) -> str:
    return ",".join(map(_show, many))


def spans(ascending: Iterable[int]) -> Iterator[Span]:
    """Neighbours joined. The indexes must ascend and not repeat."""
    first = last = None
    for index in ascending:
        if first is None or last is None:
            first = last = index
        elif index == last + 1:
            last = index
        else:
            yield first, last
            first = last = index
    if first is not None and last is not None:
        yield first, last


def _show(span: Span) -> str:
    return str(span[0]) if span[0] == span[1] else f"{span[0]}-{span[1]}"
