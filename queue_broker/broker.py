"""One broker process as it runs: its loops, whether it leads, and how it stops."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from headgate.errors import Unavailable
from predictor.history import from_frame
from queue_broker.core.cycle import Cycle
from queue_broker.core.follow import Following
from queue_broker.core.forecast import Forecaster
from queue_broker.core.insights import Insights
from queue_broker.core.keep import Keeping
from queue_broker.core.lessons import Lessons
from queue_broker.core.limits import Limits
from queue_broker.core.loops import Loop
from queue_broker.core.parameters import Parameters
from queue_broker.core.submit import Submitter
from queue_broker.ports import Clock, Describer, Engine, Lake, ModelRegistry, Shelf, Store, Upstream
from queue_broker.records import Submission
from queue_broker.settings import Settings

log = logging.getLogger(__name__)

#: How often ended attempts go to the lake; the store has them at once, only training waits.
KEEPING_PERIOD_S = 2.0
CHORE_PERIOD_S = 1.0
#: How soon what ended is learnt from, where nothing else is.
LEARNING_PERIOD_S = 0.1
#: How soon one that follows knows what ended under the one that leads.
FOLLOWING_PERIOD_S = 2.0
#: How long to wait before a history that could not be read back is asked for again.
REPLAY_AGAIN_S = 10.0
#: One bounded pass of something; whether the next should follow at once.
Chore = Callable[[], bool]


@dataclass(slots=True)
class Broker:
    """All the parts of one broker process, wired."""

    settings: Settings
    store: Store
    shelf: Shelf
    describer: Describer
    clock: Clock
    engine: Engine
    registry: ModelRegistry
    lake: Lake
    forecaster: Forecaster
    following: Following
    lessons: Lessons
    parameters: Parameters
    insights: Insights
    submitter: Submitter
    limits: Limits
    cycle: Cycle
    keeping: Keeping
    upstream: Upstream | None = None  #: AWS Batch itself, where it stands behind the broker
    chores: Mapping[str, Chore] = field(default_factory=dict)  #: run in loops of their own
    loops: dict[str, Loop] = field(default_factory=dict)
    leading: bool = False
    stopping: bool = False
    forgotten: str | None = None  #: why the history was not read back yet

    def start(self) -> None:
        """Start the loops. Serving may begin before; what is submitted waits for them."""
        self.forecaster.refresh()
        self.following.begin()
        self.loops |= {
            "cycle": Loop("cycle", self.lead, self.settings.cycle_period_s),
            "models": Loop("models", self.refresh, self.settings.model_poll_s),
            "keeping": Loop("keeping", self.keep, KEEPING_PERIOD_S),
            "learning": Loop("learning", self.lessons.run, LEARNING_PERIOD_S),
            "following": Loop("following", self.following.run, FOLLOWING_PERIOD_S),
        }
        self.loops |= {name: Loop(name, run, CHORE_PERIOD_S) for name, run in self.chores.items()}
        threading.Thread(target=self.remember, name="replay", daemon=True).start()
        for loop in self.loops.values():
            loop.start()

    def lead(self) -> bool:
        """A pass of the cycle, where this broker leads."""
        if not self.store.try_lead():
            if self.leading:
                self.leading = False
                self.following.begin()
            return False
        if not self.leading:
            self.following.end()
            self.cycle.take_over()
            self.leading = True
        return self.cycle.run_once().busy

    def refresh(self) -> bool:
        self.forecaster.refresh()
        return False

    def keep(self) -> bool:
        return self.keeping.run() > 0

    def remember(self) -> None:
        """Bring the predictor's online histories back from the lake; one that is away is asked for
        again. What ends meanwhile is learnt as it ends, and is not learnt from the lake too."""
        begun_s = self.clock()
        while not self.stopping:
            try:
                recent = self.lake.read(limit=self.settings.replay_observations)
                self.forecaster.observe(from_frame(recent[recent["finished_at_s"] < begun_s]))
                self.forgotten = None
                return
            except (Unavailable, OSError) as error:
                self.note_forgotten(f"the history was not read back yet: {error}")
            except Exception:  # a broken lake costs foresight, never service
                log.exception("the history was not read back", extra={"action": "replay_failed"})
                return
            time.sleep(REPLAY_AGAIN_S)

    def note_forgotten(self, problem: str) -> None:
        if problem != self.forgotten:
            log.warning(problem, extra={"action": "replay_failed"})
        self.forgotten = problem

    def foretell(self, submissions: Sequence[Submission]) -> Sequence[Submission]:
        """Estimate what comes in. Only a leader can: others hear of no attempts that end."""
        offer = self.cycle.offer
        if not self.leading or offer is None:
            return submissions
        return self.cycle.estimating.on_arrival(submissions, offer)

    def wake(self) -> None:
        """Something was submitted, or ended: the next pass begins now."""
        if "cycle" in self.loops:
            self.loops["cycle"].wake()

    def problems(self) -> list[str]:
        """Why it is not ready: the cycle does not turn. Who is not is taken out, or replaced."""
        return [problem for name, problem in self.found() if name == "cycle"]

    def troubles(self) -> list[str]:
        """What else is wrong. Every broker has it at once and serves without: the history or the
        models are out of reach, a queue of messages is."""
        return [problem for name, problem in self.found() if name != "cycle"]

    def found(self) -> list[tuple[str, str]]:
        """All that is wrong just now, in words for people, by where."""
        loops = {name: loop.problem for name, loop in self.loops.items()}
        every = {**loops, "model": self.forecaster.problem, "history": self.forgotten}
        engine = [("engine", problem) for problem in self.engine.troubles()]
        return [(name, problem) for name, problem in every.items() if problem] + engine

    def stop(self) -> None:
        """Stop the loops, then the tasks (they go on at the next start), then give all back."""
        for loop in self.loops.values():
            loop.stop()
        self.engine.close()
        if self.leading:
            self.look_once_more()
            self.store.resign()
        self.store.close()

    def look_once_more(self) -> None:
        """Keep what ended meanwhile; where something is away, the next start asks for it again."""
        try:
            self.cycle.run_observe()
            self.keeping.run()
        except Unavailable as error:
            log.warning("the last look failed: %s", error, extra={"action": "last_look_failed"})
