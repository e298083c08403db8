"""The SDK without its input and output: what to send, how long to pause, when to give up.

A *flow* is a generator that yields calls and pauses and is sent the replies. The two clients drive
the same flows, one with and one without `await`, so there is nothing to keep alike by hand.
"""

from __future__ import annotations

import functools
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from headgate.errors import BrokerUnreachable, HeadgateError, Unavailable, from_dict, show

T = TypeVar("T")
P = ParamSpec("P")

#: A body, or what makes it anew for each try. A stream can be far larger than memory.
Body = bytes | Callable[[], Iterator[bytes]] | None

#: Pauses before another try when the broker is away: 3 s in all, for one that is restarting.
BACKOFF_S = (0.1, 0.3, 0.6, 2.0)
#: A submission is repeated for as long while a broker says that it cannot store it just now: a
#: database takes a minute or two to fail over. So much lies between two tries.
PATIENCE_S, PATIENT_PAUSE_S = 120.0, 2.0
#: The longest that one `Retry-After` is believed.
LONGEST_RETRY_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request as a value, and how to read its answer.

    `repeatable` is False where a lost answer must not be asked for again. `wait_s` is how long
    the broker may take on purpose (a long poll), beyond what any request may take; `patience_s`
    for how long a broker that answers 503 is asked again.
    """

    method: str
    path: str
    parse: Callable[[bytes], T]
    query: Mapping[str, str | int | float] = field(default_factory=dict)
    body: Body = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    wait_s: float = 0.0
    patience_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Pause:
    """Let `seconds` go by."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    body: bytes
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer. `sent`: the request may have reached the broker all the same."""

    url: str
    why: str
    sent: bool


Flow = Generator[Call[Any] | Pause, Reply | Lost | None, T]


def send(call: Call[T]) -> Flow[T]:
    """The answer to one call, tried again for as long as that is safe and worth while."""
    waited_s, pauses = 0.0, iter(BACKOFF_S)
    while True:
        reply = yield call
        pause_s = next(pauses, None)
        if pause_s is None and is_unavailable(reply) and waited_s < call.patience_s:
            pause_s = PATIENT_PAUSE_S
        wait_s = None if pause_s is None else again_in(call, reply, pause_s)
        if wait_s is None:
            return understood(call, answer(reply))
        waited_s += max(wait_s, 0.1)  # were it told to come again at once, it would never end
        yield Pause(wait_s)


def is_unavailable(reply: Reply | Lost | None) -> bool:
    return isinstance(reply, Reply) and reply.status == 503


def understood(call: Call[T], body: bytes) -> T:
    """The answer as a value; whatever else listens at an address may answer 200 too."""
    try:
        return call.parse(body)
    except ValueError as error:
        words = show(body[:200].decode(errors="replace"))
        raise HeadgateError(
            f"{call.method} {call.path} was answered by something that is no Headgate broker, or "
            f"one of another version: {words}"
        ) from error


def again_in(call: Call[Any], reply: Reply | Lost | None, pause_s: float) -> float | None:
    """How long to pause before the next try; None: take the reply as it is."""
    if isinstance(reply, Lost):
        return pause_s if call.repeatable or not reply.sent else None
    if reply is None or reply.status not in (429, 503):
        return None
    if callable(call.body) and not call.repeatable:
        return None  # the rows that were sent came from an iterator, and are gone
    # The broker says so before it has written anything, so this is safe for every other call.
    return min(_seconds(reply.retry_after, pause_s), LONGEST_RETRY_AFTER_S)


def _seconds(header: str | None, otherwise: float) -> float:
    try:
        return max(0.0, float(header or ""))
    except ValueError:
        return otherwise


def answer(reply: Reply | Lost | None) -> bytes:
    """The body of a good answer; otherwise the error that it stands for."""
    if isinstance(reply, Reply) and reply.status < 300:
        return reply.body
    if isinstance(reply, Reply):
        raise failure(reply)
    url, why = (reply.url, reply.why) if reply else ("the broker", "no answer")
    raise BrokerUnreachable(
        f"no broker answers at {url} ({why}). Start one with `headgate up`, "
        "or say where it is in HEADGATE_URL"
    )


def failure(reply: Reply) -> HeadgateError:
    """The error in an answer's body, or one that says that something else answered."""
    try:
        body = json.loads(reply.body)
    except ValueError:
        body = None
    if isinstance(body, dict) and "error" in body:
        return from_dict(body)
    words = f"HTTP {reply.status}: {reply.body[:200].decode(errors='replace')}"
    # A proxy in front of the broker answers for it while it is away.
    if reply.status in (502, 503, 504):
        return Unavailable(words)
    return HeadgateError(f"what answered is no Headgate broker: {words}")


class Sync(ABC):
    """What runs flows and gives their results."""

    @abstractmethod
    def run(self, flow: Flow[T]) -> T:
        """The flow's result, when all that it asked for has been asked."""


class Async(ABC):
    """What runs flows and gives their results to `await`."""

    @abstractmethod
    async def run(self, flow: Flow[T]) -> T:
        """The flow's result, when all that it asked for has been asked."""


class operation(Generic[P, T]):  # noqa: N801 - a decorator, used as `property` is
    """A method written once as a flow: it gives T on a `Sync` object, and on an `Async` one
    something to await."""

    def __init__(self, flow: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self._flow = flow
        functools.update_wrapper(self, flow)
        # What `help` and editors show: the flow is how it is written, not what it gives.
        gives = str(flow.__annotations__.get("return", ""))
        flow.__annotations__["return"] = gives.removeprefix("Flow[").removesuffix("]")

    def __call__(self, owner: Sync | Async, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Of the class it is a function of the object, as any method is."""
        return owner.run(self._flow(owner, *args, **kwargs))

    @overload
    def __get__(self, owner: None, kind: type) -> operation[P, T]: ...
    @overload
    def __get__(self, owner: Sync, kind: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, owner: Async, kind: type) -> Callable[P, Awaitable[T]]: ...

    def __get__(self, owner: Sync | Async | None, kind: type) -> Any:
        return self if owner is None else MethodType(self, owner)
