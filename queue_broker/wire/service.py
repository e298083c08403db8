"""What the operations stand on, and one call of one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from queue_broker.core.memory import Memory
from queue_broker.core.submit import Caller, Submitter
from queue_broker.ports import Clock, Describer, Engine, Shelf, Store, Upstream
from queue_broker.settings import Settings
from queue_broker.wire.log_lines import Logs
from queue_broker.wire.names import Place
from queue_broker.wire.recent import Recent

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """An answer that is JSON already."""

    json: bytes


@dataclass(frozen=True, slots=True)
class Source:
    """Where definitions are: with AWS if that stands behind the broker, else on its own shelf."""

    shelf: Shelf
    upstream: Upstream | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """Made by the composition root. `upstream` is AWS itself where it stands behind the broker."""

    settings: Settings
    submitter: Submitter
    store: Store
    describer: Describer
    shelf: Shelf
    engine: Engine
    clock: Clock
    wall: Clock  #: the clock as it is set, by which clients sign
    changed: Callable[[], None] = lambda: None  #: somebody's wish is in the store: run a cycle
    upstream: Upstream | None = None
    recent: Recent = field(init=False)
    #: DescribeJobs' details by job, as they were written; some 2 KiB each.
    details: Memory[str, tuple[Any, bytes]] = field(init=False)
    #: What AWS said of attempts that have begun, by its own ids.
    whereabouts: Memory[str, Answer] = field(init=False)
    #: AWS's job definitions by `name:revision`: what jobs are told by never changes in one.
    definitions: Memory[str, Answer] = field(init=False)
    logs: Logs = field(default_factory=Logs, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "recent", Recent(self.clock))
        object.__setattr__(self, "details", Memory(5_000))
        object.__setattr__(self, "whereabouts", Memory(50_000))
        object.__setattr__(self, "definitions", Memory(2_000))

    @property
    def source(self) -> Source:
        return Source(self.shelf, self.upstream)


@dataclass(frozen=True, slots=True)
class Call:
    """A checked request: what is given, by whom, signed for which place.

    `token` is the same for all tries of one call of a client, and None where none can be told.
    """

    operation: str
    given: Mapping[str, Any]
    caller: Caller
    place: Place
    token: str | None = None

    def get(self, name: str, default: Any = None) -> Any:
        return self.given.get(name, default)


Handler = Callable[[Wire, Call], Answer | Written]
