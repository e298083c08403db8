"""Runs the nodes of a multi-node job side by side: PLAN GRACE_S COMMAND...

A program of its own, for as long as the main node's command runs: the others are in the plan, and
are stopped a second after it ends (SIGTERM; whoever is left after the grace is killed with the
task's tree). It knows nothing of Headgate and needs nothing beyond Python's own library.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

#: Nodes end together mostly: the others get so long to say their last after the main one. Where AWS
#: stops them, that takes it some seconds too.
LINGER_S = 1.0


def main(plan: str, grace_s: str, *command: str) -> int:
    """The main node's exit code, as a shell would say it."""
    told: list[int] = []
    # Whoever stops the task tells all its processes; this one ends when the main node has.
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    leader = subprocess.Popen(command)
    others = [start(one) for one in json.loads(Path(plan).read_text(encoding="utf-8"))]
    code = leader.wait()
    left = [one for one in others if one is not None]
    await_all(left, 0.0 if told else LINGER_S)
    if not told:  # to many programs a second signal means "at once"
        for one in left:
            one.terminate()
    await_all(left, float(grace_s))
    return code if code >= 0 else 128 - code


def start(node: Mapping[str, Any]) -> subprocess.Popen[bytes] | None:
    """A node's process; None where it cannot be started, which its log tells."""
    kept = {name: one for name, one in os.environ.items() if name not in node["unset"]}
    environment = kept | node["set"] | {"PWD": node["work"]}
    Path(node["work"]).mkdir(parents=True, exist_ok=True)
    with Path(node["log"]).open("ab") as log:
        try:
            return subprocess.Popen(
                node["command"],
                cwd=node["work"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        except (OSError, ValueError, IndexError) as error:
            log.write(f"the node's command could not be started: {error}\n".encode())
            return None


def await_all(nodes: Sequence[subprocess.Popen[bytes]], grace_s: float) -> None:
    until_s = time.monotonic() + grace_s
    for one in nodes:
        with suppress(subprocess.TimeoutExpired):
            one.wait(max(0.0, until_s - time.monotonic()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
