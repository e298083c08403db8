"""Ends that wait until it is known what their tasks used, for a while at the most: logs lag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from queue_broker.adapters.engines.aws.sources import Measured, Source
from queue_broker.adapters.engines.aws.spare import Spare
from queue_broker.adapters.engines.aws.trials import Trials
from queue_broker.adapters.engines.aws.verdict import with_measured
from queue_broker.events import Ended
from queue_broker.records import Leak

if TYPE_CHECKING:
    from queue_broker.ports import Clock

#: Of an end without a report, it is asked again so much later whether its image runs the shim.
AGAIN_S = 5.0


@dataclass(slots=True)
class Held:
    """An end, and until when it waits."""

    end: Ended
    leak: Leak
    due_s: float
    measured: bool = False


@dataclass(slots=True)
class Reports:
    """`source` None, or while it is away: only times and exit codes are known. `trials`: of tasks
    that are to report."""

    source: Source | None
    clock: Clock
    trials: Trials | None = None
    spare: Spare = field(init=False)
    _held: dict[str, Held] = field(default_factory=dict)
    _read_s: float = float("-inf")

    def __post_init__(self) -> None:
        self.spare = Spare(self.clock)

    def hold(self, child: str, end: Ended, leak: Leak) -> None:
        """Hold back the end of Batch's child."""
        wait_s = self.source.wait_s if self.source else 0.0
        self._held[child] = Held(end, leak, self.clock() + wait_s)

    def ready(self) -> list[Ended]:
        """The ends that may go on, oldest first."""
        now_s = self.clock()
        if self.source and self._held and now_s - self._read_s >= self.source.period_s:
            self._read(self.source, now_s)
        due = [child for child, held in self._held.items() if held.due_s <= now_s]
        return [end for child in due for end in self._released(child, now_s)]

    def _read(self, source: Source, now_s: float) -> None:
        held = {child: one.end for child, one in self._held.items()}
        nothing: Mapping[str, Measured] = {}
        found = self.spare.ask(lambda: source.read(held), nothing)
        for child, measured in found.items():
            one = self._held[child]
            one.end, one.due_s, one.measured = with_measured(one.end, measured), now_s, True
        if self.trials:
            leaks = {self._held[child].leak.name: self._held[child].leak for child in found}
            self.trials.ran(leaks.values())
        self._read_s = now_s

    def _released(self, child: str, now_s: float) -> Iterator[Ended]:
        held = self._held[child]
        end: Ended | None = held.end
        if self.source and self.trials and not held.measured and not self.spare.problem:
            end = self.trials.judged(child, held.end, held.leak)
        if end is None:
            held.due_s = now_s + AGAIN_S
            return
        del self._held[child]
        yield end
