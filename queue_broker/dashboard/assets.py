"""Files that browsers may keep: the style, the script, and plotly.js from the plotly package.

Nothing comes from another host, so that the dashboard works where there is no internet.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files

from headgate.errors import NotFound

KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
#: The address of an asset holds its hash, so it may be kept for ever.
FOR_EVER = "public, max-age=31536000, immutable"
PLOTLY = "plotly.min.js"
OWN = ("dashboard.css", "dashboard.js", "icon.svg")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file with its gzipped twin."""

    content: bytes
    packed: bytes
    media_type: str
    digest: str


@cache
def asset(name: str) -> Asset:
    """`NotFound` for whatever is not one of the dashboard's own files."""
    if name not in (*OWN, PLOTLY):
        raise NotFound(f"the dashboard has no file {name}")
    content = read(name)
    kind = KINDS[name.rsplit(".", 1)[1]]
    packed = gzip.compress(content, 6, mtime=0)
    return Asset(
        content, packed, f"{kind}; charset=utf-8", hashlib.sha256(content).hexdigest()[:12]
    )


def read(name: str) -> bytes:
    if name == PLOTLY:
        return files("plotly").joinpath("package_data", PLOTLY).read_bytes()
    return files("queue_broker.dashboard").joinpath("static", name).read_bytes()


@cache
def address(name: str) -> str:
    """The asset's path below the dashboard's, with its hash.

    plotly.js is big: its version tells it apart without reading it at start-up.
    """
    if name == PLOTLY:
        return f"static/{version('plotly')}/{name}"
    return f"static/{asset(name).digest}/{name}"
