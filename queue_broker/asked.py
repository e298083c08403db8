"""A whole HTTP request as a plain value: what the busiest endpoints take, and what is signed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came. `path` is decoded; `target` is path and query, undecoded; the names of
    `headers` are lower case.
    """

    method: str
    path: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True)


def texts(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers as they came over the connection; of one that comes twice the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
