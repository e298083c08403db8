"""A multi-node job on this machine: one task, in which its nodes are processes side by side.

The task's own process is the main node, and `together` starts the others beside it. Each of them
has a folder and a log of its own, where a task of its place would have them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headgate.job import fill
from queue_broker.adapters.engines.local.environment import environment_of_node
from queue_broker.adapters.engines.local.gpu import Devices
from queue_broker.nodes import Nodes, nodes_of

if TYPE_CHECKING:
    from queue_broker.adapters.engines.local.launch import Site, Waiting

TOGETHER = Path(__file__).with_name("together.py")
#: A small Python, without the user's own additions: it only waits.
LAUNCHER = (sys.executable, "-I", "-S", str(TOGETHER))


def arranged(
    site: Site, item: Waiting, seen: Mapping[str, str], gpus: Devices
) -> tuple[tuple[str, ...], dict[str, str]]:
    """What a task's process runs and sees, its nodes beside it if it has any."""
    nodes = nodes_of(item.leak)
    if nodes is None:
        return item.command, {**seen, **site.gpus.seen_by(gpus)}
    views = [
        environment_of_node(site.base, item.leak, nodes, index) | site.gpus.seen_by(devices)
        for index, devices in enumerate(shares(nodes, gpus))
    ]
    mine = views[nodes.main]
    if nodes.count == 1:
        return item.command, mine
    others = [
        planned(site, item, nodes, index, difference(mine, view))
        for index, view in enumerate(views)
        if index != nodes.main
    ]
    plan = site.folder(item.leak.name, item.task).write_nodes(others)
    return (*LAUNCHER, str(plan), f"{site.grace_s:g}", *item.command), mine


def planned(
    site: Site, item: Waiting, nodes: Nodes, index: int, sees: Mapping[str, Any]
) -> dict[str, Any]:
    """What `together` has to know of a node; it sees what the main node sees, but for `sees`."""
    folder = site.folder(item.leak.name, nodes.seat(index))
    command = fill(nodes.range_of(index).command, item.leak.job.parameters)
    return {"command": command, "work": str(folder.work), "log": str(folder.log), **sees}


def difference(main: Mapping[str, str], other: Mapping[str, str]) -> dict[str, Any]:
    """What makes one environment another: the machine's own is not written down."""
    news = {name: value for name, value in other.items() if main.get(name) != value}
    return {"set": news, "unset": [name for name in main if name not in other]}


def shares(nodes: Nodes, gpus: Devices) -> list[Devices]:
    """Each node's devices: as many as it asked for, and all where that is not what there are."""
    asked = [int(nodes.range_of(index).asked.get("GPU", 0)) for index in range(nodes.count)]
    if sum(asked) != len(gpus.indexes):
        return [gpus] * nodes.count
    ends = accumulate(asked)
    pairs = zip(asked, ends, strict=True)
    return [Devices(gpus.indexes[end - count : end]) for count, end in pairs]
