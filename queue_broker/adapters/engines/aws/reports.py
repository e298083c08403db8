"""Ends that wait until it is known what their tasks used, for a while at the most: logs lag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from queue_broker.adapters.engines.aws.sources import Measured, Source
from queue_broker.adapters.engines.aws.spare import Spare
from queue_broker.adapters.engines.aws.verdict import with_measured
from queue_broker.events import Ended

if TYPE_CHECKING:
    from queue_broker.ports import Clock


@dataclass(slots=True)
class Reports:
    """`source` None, or while it is away: only times and exit codes are known."""

    source: Source | None
    clock: Clock
    spare: Spare = field(init=False)
    _held: dict[str, tuple[float, Ended]] = field(default_factory=dict)
    _read_s: float = float("-inf")

    def __post_init__(self) -> None:
        self.spare = Spare(self.clock)

    def hold(self, child: str, end: Ended) -> None:
        """Hold back the end of Batch's child."""
        wait_s = self.source.wait_s if self.source else 0.0
        self._held[child] = (self.clock() + wait_s, end)

    def ready(self) -> list[Ended]:
        """The ends that may go on, oldest first."""
        now_s = self.clock()
        source = self.source
        if source and self._held and now_s - self._read_s >= source.period_s:
            held = {child: end for child, (_, end) in self._held.items()}
            nothing: Mapping[str, Measured] = {}
            for child, measured in self.spare.ask(lambda: source.read(held), nothing).items():
                self._held[child] = (now_s, with_measured(held[child], measured))
            self._read_s = now_s
        going = [child for child, (due_s, _) in self._held.items() if due_s <= now_s]
        return [self._held.pop(child)[1] for child in going]
