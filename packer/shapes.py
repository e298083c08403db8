"""Thousands of shapes as some dozens: like ones together, at their mean, for the linear
programme."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from packer.problem import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Cluster:
    """Demands that the same hosts take; `need` is the mean over the tasks."""

    members: Ints
    need: Floats
    count: int


def clusters(need: Ints, count: Ints, mask: Bools, most: int) -> list[Cluster]:
    """At most `most` clusters (more only where the masks differ), split where the spread is
    largest."""
    scale = 1 / np.maximum(need.max(axis=0, initial=1), 1)
    heap = [entry(members, need, count, scale) for members in alike(mask) if count[members].any()]
    heapq.heapify(heap)
    while heap and len(heap) < most and heap[0][0] < -1e-12:
        _, _, part, members = heapq.heappop(heap)
        sizes = need[members, part]
        below = sizes <= (sizes @ count[members]) / count[members].sum()
        for half in (members[below], members[~below]):
            heapq.heappush(heap, entry(half, need, count, scale))
    return [
        Cluster(members, mean(need, count, members), int(count[members].sum()))
        for _, _, _, members in sorted(heap, key=lambda item: item[1])
    ]


def alike(mask: Bools) -> Iterator[Ints]:
    """The demands whose rows of the mask are equal, in the order of their first member."""
    found: dict[bytes, list[int]] = {}
    for k, row in enumerate(np.packbits(mask, axis=1)):
        found.setdefault(row.tobytes(), []).append(k)
    for members in found.values():
        yield np.array(members, dtype=np.int64)


def entry(members: Ints, need: Ints, count: Ints, scale: Floats) -> tuple[float, int, int, Ints]:
    """A heap's entry: the widest first; the first member makes the order total."""
    members = members[count[members] > 0]
    spread = count[members] @ np.abs(need[members] - mean(need, count, members)) * scale
    part = int(spread.argmax())
    return -float(spread[part]), int(members[0]), part, members


def mean(need: Ints, count: Ints, members: Ints) -> Floats:
    tasks = count[members]
    answer: Floats = tasks @ need[members] / tasks.sum()
    return answer
