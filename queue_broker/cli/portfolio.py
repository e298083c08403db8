"""The file that `headgate lanes plan --json` prints, read back as shapes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from headgate.errors import InvalidInput
from packer.catalogue import InstanceType
from packer.lanes import LaneShape, lane_shapes

ALLOWED = "what `headgate lanes plan --json` prints"


def read_portfolio(path: Path, lanes: int | None, types: Sequence[InstanceType]) -> list[LaneShape]:
    """The portfolio of that many lanes (None: the first); `InvalidInput` says what is wrong."""
    try:
        found: list[Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        by_size = {len(one["lanes"]): one["lanes"] for one in found}
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput.of("FILE", str(path), f"{ALLOWED} ({error!r})") from error
    wanted = next(iter(by_size), 0) if lanes is None else lanes
    if wanted not in by_size:
        sizes = ", ".join(map(str, by_size)) or "none, the file holds no portfolio"
        raise InvalidInput.of("--lanes", wanted, f"one of {sizes}")
    known = {one.kind.key: one for one in lane_shapes(types)}
    return [to_shape(key, members, known) for key, members in by_size[wanted].items()]


def to_shape(key: str, members: Sequence[str], known: Mapping[str, LaneShape]) -> LaneShape:
    """The catalogue's shape with the file's types, as they may have been fewer when it was made."""
    if key not in known:
        raise InvalidInput.of("FILE", key, "a lane of the catalogue that it was planned with")
    unknown = sorted(set(members) - set(known[key].members))
    if unknown or not members:
        raise InvalidInput.of(f"FILE.{key}", unknown, f"types among {known[key].members}")
    return replace(known[key], members=tuple(members))
