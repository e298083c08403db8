"""A load generator that costs little: prepared HTTP/1.1 requests over connections kept open.

A client library would take more of the machine than the servers that it measures, and so make any
two of them look alike.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Load:
    """What one run measured: seconds in all, and each request's own."""

    seconds: float
    latencies_s: Sequence[float]

    @property
    def rate(self) -> float:
        return len(self.latencies_s) / self.seconds

    def quantile_ms(self, q: float) -> float:
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def post_all(address: str, path: str, bodies: Sequence[bytes], at_once: int) -> Load:
    """Post every body once, with `at_once` connections; every answer must be a 2xx."""
    return send_all(address, [request(address, path, body) for body in bodies], at_once)


def request(address: str, path: str, body: bytes) -> bytes:
    headers = {"Host": urlsplit(address).netloc, "Content-Type": "application/json"}
    return to_bytes("POST", path, headers | {"Content-Length": str(len(body))}, body)


def to_bytes(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A request as it goes over the connection."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {one}" for name, one in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def send_all(address: str, requests: Sequence[bytes], at_once: int) -> Load:
    """Send every request once, with `at_once` connections; every answer must be a 2xx."""
    return asyncio.run(run(address, requests, at_once))


async def run(address: str, requests: Sequence[bytes], at_once: int) -> Load:
    waiting = iter(requests)
    latencies: list[float] = []
    start = time.perf_counter()
    await asyncio.gather(*(post_some(address, waiting, latencies) for _ in range(at_once)))
    return Load(time.perf_counter() - start, latencies)


async def post_some(address: str, waiting: Iterator[bytes], latencies: list[float]) -> None:
    """One connection, which takes the next request as soon as its last is answered.

    A server that closes it after each answer is connected to again, as by any client.
    """
    where = urlsplit(address)
    writer = None
    for request_ in waiting:
        start = time.perf_counter()
        if writer is None:
            reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(request_)
        stays = await answer(reader)
        latencies.append(time.perf_counter() - start)
        if not stays:
            writer.close()
            writer = None
    if writer is not None:
        writer.close()
        await writer.wait_closed()


async def answer(reader: asyncio.StreamReader) -> bool:
    """Reads one; whether the server keeps the connection open after it."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    body = await reader.readexactly(length)
    if head[9:10] != b"2":
        raise RuntimeError(f"the server answered {head[:16]!r}: {body!r}")
    return head.startswith(b"HTTP/1.1") and b"connection: close" not in head.lower()
