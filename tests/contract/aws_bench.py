"""The AWS engine under contract: its AWS Batch is a broker of ours over real processes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from headgate.sweep import Grid
from queue_broker.adapters.engines.aws.engine import AwsEngine
from queue_broker.adapters.engines.local.engine import LocalEngine, LocalSettings
from queue_broker.records import HandOver, Leak
from tests.contract.engines import Bench
from tests.integration.aws.stand_in import LANE, StandIn, make_lane, quick, speak


def parameters(leak: Leak, task: int) -> Mapping[str, object]:
    return {"index": f"{leak.name}.{task}"}


class AwsBench(Bench):
    """Real processes behind Batch's protocol."""

    def __init__(self, folder: Path, url: str) -> None:
        self.marks = folder / "marks"
        self.marks.mkdir()
        local = LocalSettings(folder / "batch", cores=2, memory_mib=1024, grace_s=2, cgroups=False)
        self.stand_in = StandIn(url, folder / "batch", LocalEngine(local, lambda leak, task: {}))
        self.settings = quick(self.stand_in.open())
        self.clients = speak(self.settings)
        make_lane(self.clients.batch)
        self.engine: AwsEngine = self._new()

    def _new(self) -> AwsEngine:
        return AwsEngine(self.settings, self.clients, parameters, time.time)

    def hand_over(self, *leaks: Leak) -> list[HandOver]:
        return self.engine.hand_over([self.marked(leak) for leak in leaks])

    def marked(self, leak: Leak) -> Leak:
        """The commands leave a mark for each start; each task has its own parameter."""
        leak.job.environment["STARTS"] = str(self.marks)
        values = tuple(f"{leak.name}.{task}" for task in range(leak.size))
        return replace(leak, lane=LANE, parameters=Grid(axes={"index": values}))

    def crash(self) -> None:
        """Nothing of the old engine is used again."""
        self.engine.close()
        self.engine = self._new()

    def starts(self, leak: Leak, task: int) -> int:
        mark = self.marks / f"{leak.name}.{task}"
        return len(mark.read_text().splitlines()) if mark.exists() else 0

    def close(self) -> None:
        super().close()
        self.stand_in.close()
