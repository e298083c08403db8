"""Whether images run what they are given.

A command reaches a container as arguments. An image with an ENTRYPOINT gets them for its own: one
that runs them (`tini --`) runs the shim; another (`python`, `sh -c`) runs neither the shim nor what
was to be run, and may even end well at that: `sh -c /bin/sh` does nothing. Job definitions cannot
say it, nor set it aside. So the first containers of a definition print a word as the shim begins,
and where one ends without any report its log is looked at: without that word, its image takes no
shim. That is tagged on the definition, for the brokers to come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from headgate.errors import InvalidInput
from headgate.lifecycle import Cause
from queue_broker.adapters.engines.aws.cargo import BEGAN, LAUNCH, SAY
from queue_broker.adapters.engines.aws.clients import Clients
from queue_broker.adapters.engines.aws.definitions import Definitions
from queue_broker.adapters.engines.aws.faults import calling
from queue_broker.adapters.engines.aws.spare import Spare
from queue_broker.events import Ended
from queue_broker.records import Leak

if TYPE_CHECKING:
    from queue_broker.ports import Clock

T = TypeVar("T")
MISREAD = (
    "the image's ENTRYPOINT took the command for arguments of its own, so that the usage shim did "
    "not run, nor the command as it was to be"
)
KNOWN = "the image is known to run no usage shim"
NO_SHELL = "the image has no /bin/sh for the usage shim"
#: As runc and containerd say it, of the first word of a command.
NO_SUCH = 'exec: "/bin/sh"'
#: Logs are read a little behind what was written. Were a word that is there missed for so long, a
#: task that ran would run again.
SURE_S = 60.0
#: Between two looks: one answer settles all tasks of a definition.
PAUSE_S = 0.5
#: An image's own entrypoint may print a banner before it comes to the shim.
LINES = 1_000


@dataclass(slots=True)
class Trials:
    """Judges the ends of tasks that were to run under the shim."""

    clients: Clients
    definitions: Definitions
    group: str
    clock: Clock
    spare: Spare = field(init=False)
    _again_s: float = field(default=float("-inf"))

    def __post_init__(self) -> None:
        self.spare = Spare(self.clock)

    def ran(self, leaks: Iterable[Leak]) -> None:
        """The shim reported of tasks of these."""
        for leak in leaks:
            self._learn(leak, runs=True)

    def unshelled(self, leak: Leak, end: Ended) -> Ended:
        """The end of a container that could not even begin: for want of a shell, perhaps."""
        if end.cause is not Cause.NOT_STARTED or NO_SUCH not in (end.reason or ""):
            return end
        self._learn(leak, runs=False)
        return misread(end, NO_SHELL)

    def judged(self, child: str, end: Ended, leak: Leak) -> Ended | None:
        """An end without a report, as it is or as misread; None: that is not known yet."""
        if end.cause is not Cause.EXITED:
            return end
        sure = self.clock() - end.at_s >= SURE_S
        runs = self._ask(lambda: self._runs(child, leak, sure), True if sure else None)
        if runs is None:
            return None
        return end if runs else misread(end, MISREAD)

    def _runs(self, child: str, leak: Leak, sure: bool) -> bool | None:
        """Whether the shim ran, or nothing can be known of that: there is no such log, or the
        container was not told to say it, as its definition had been tried. `Unavailable`."""
        known = self.definitions.runs(leak.job)
        if known is not None:
            return known
        if self.clock() < self._again_s:
            return None
        self._again_s = self.clock() + PAUSE_S
        box = self._container(child)
        words = box.get("command", ())
        if not any(LAUNCH in word for word in words):
            return True  # too large for the shim
        told = any(word.startswith(SAY) for word in words) and "logStreamName" in box
        lines = self._head(box["logStreamName"]) if told else None
        runs = lines is None or BEGAN in lines
        if not runs and not sure:
            return None
        self.definitions.learn(leak.job, runs)
        return runs

    def _learn(self, leak: Leak, runs: bool) -> None:
        self._ask(lambda: self.definitions.learn(leak.job, runs), None)

    def _ask(self, question: Callable[[], T], otherwise: T) -> T:
        try:
            return self.spare.ask(question, otherwise)
        except InvalidInput:  # its definition is gone meanwhile: nobody will run that again
            return otherwise

    def _container(self, child: str) -> dict[str, Any]:
        with calling("batch:DescribeJobs"):
            found: Any = self.clients.batch.describe_jobs(jobs=[child])["jobs"]
        return found[0].get("container", {}) if found else {}

    def _head(self, stream: str) -> list[str] | None:
        """The first lines of a log; None where there is no such log."""
        logs = self.clients.logs
        with calling("logs:GetLogEvents"):
            try:
                answer = logs.get_log_events(
                    logGroupName=self.group, logStreamName=stream, startFromHead=True, limit=LINES
                )
            except logs.exceptions.ResourceNotFoundException:
                return None
        return [event["message"].strip() for event in answer["events"]]


def misread(end: Ended, why: str) -> Ended:
    """The end of an attempt that was none: it is tried again without the shim."""
    return replace(end, cause=Cause.NOT_STARTED, reason=why, said=None, misread=True)
