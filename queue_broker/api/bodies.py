"""Request bodies: read no further than they may be long, and parsed once.

FastAPI would parse JSON to Python and then validate that; pydantic reads the bytes themselves.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, TypeVar, cast

from fastapi import Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from headgate.errors import InvalidInput, PayloadTooLarge
from headgate.job import MAX_PAYLOAD_BYTES
from headgate.validation import parse

M = TypeVar("M", bound=BaseModel)

#: A sweep's grid may list many values; beyond this it wants to be a table.
MAX_SWEEP_BYTES = 1 << 20
#: A table, unzipped: 16 GiB.
MAX_TABLE_BYTES = 16 << 30
#: Kept in memory before a table goes on to the disk.
SPOOL_BYTES = 1 << 20

REF = "#/components/schemas/{model}"


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """For `openapi_extra`: the body is that model as JSON (its parts are added in `app.py`)."""
    schema = {"$ref": REF.format(model=model.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def read(request: Request, most: int) -> bytes:
    """The body; `PayloadTooLarge` as soon as it is longer than `most` bytes."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise too_large(f"{int(declared):,} bytes", most)
    if declared.isdecimal():
        return await request.body()
    pieces = bytearray()
    async for piece in request.stream():
        pieces += piece
        if len(pieces) > most:
            raise too_large(f"more than {most:,} bytes", most)
    return bytes(pieces)


def too_large(got: str, most: int) -> PayloadTooLarge:
    return PayloadTooLarge.of("body", got, f"at most {most:,} bytes")  # type: ignore[return-value]


async def parsed(request: Request, model: type[M], most: int = MAX_PAYLOAD_BYTES) -> M:
    """The body as a model; `InvalidInput` names what is wrong."""
    return parse(model, await read(request, most))


class TableBody:
    """A template on the first line, and a table behind it, which goes to a file."""

    def __init__(self, file: BinaryIO, gzipped: bool) -> None:
        self._file = file
        self._unzip = zlib.decompressobj(wbits=31) if gzipped else None
        self._head: bytearray | None = bytearray()
        self._size = 0
        self.template = b""

    def feed(self, piece: bytes) -> None:
        for part in self._plain(piece):
            self._size += len(part)
            if self._size > MAX_TABLE_BYTES:
                raise too_large(f"more than {MAX_TABLE_BYTES:,} bytes", MAX_TABLE_BYTES)
            self._file.write(self._behind_template(part))

    def close(self) -> None:
        """`InvalidInput` when the body ended too early."""
        if self._head is not None:
            got = f"{len(self._head)} bytes without a line end"
            raise InvalidInput.of("body", got, "the template as one line of JSON, then the table")
        if self._unzip is not None and not self._unzip.eof:
            raise InvalidInput.of("body", "gzip that ends too early", "a whole gzip stream")
        self._file.seek(0)

    def _behind_template(self, part: bytes) -> bytes:
        if self._head is None:
            return part
        self._head += part
        line, end, rest = bytes(self._head).partition(b"\n")
        if len(line) > MAX_PAYLOAD_BYTES:
            raise PayloadTooLarge.of(
                "template", f"more than {MAX_PAYLOAD_BYTES:,} bytes", "a shorter first line"
            )
        if not end:
            return b""
        self.template = line
        self._head = None
        return rest

    def _plain(self, piece: bytes) -> Iterator[bytes]:
        """Unzipped a MiB at a time, since a few zipped bytes can stand for gigabytes."""
        if self._unzip is None:
            yield piece
            return
        try:
            yield self._unzip.decompress(piece, SPOOL_BYTES)
            while self._unzip.unconsumed_tail:
                yield self._unzip.decompress(self._unzip.unconsumed_tail, SPOOL_BYTES)
        except zlib.error as error:
            raise InvalidInput.of("body", "broken gzip", f"a gzip stream ({error})") from error


@contextmanager
def spool() -> Iterator[BinaryIO]:
    """A file of our own that is gone afterwards; small ones never touch the disk."""
    with SpooledTemporaryFile(max_size=SPOOL_BYTES) as file:
        yield cast(BinaryIO, file)


async def spooled(request: Request, file: BinaryIO) -> bytes:
    """The template's line of a table's body; the table is in `file`, and at its start."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise InvalidInput.of("content-encoding", encoding, "identity or gzip")
    body = TableBody(file, encoding == "gzip")
    async for piece in collected(request.stream()):
        await run_in_threadpool(body.feed, piece)
    body.close()
    return body.template


async def collected(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Network-sized pieces put together: a thread's turn for each MiB, not for each packet."""
    pending = bytearray()
    async for piece in stream:
        pending += piece
        if len(pending) >= SPOOL_BYTES:
            yield bytes(pending)
            pending.clear()
    yield bytes(pending)
