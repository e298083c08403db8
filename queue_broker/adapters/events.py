"""The broker's own jobs on an EventBridge bus, in the shape of AWS Batch's state changes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from headgate.lifecycle import State
from queue_broker.adapters.engines.aws.faults import calling
from queue_broker.adapters.engines.aws.spare import Spare
from queue_broker.adapters.store.store import SqlStore
from queue_broker.verdicts import Fail, Judged, Succeed

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

log = logging.getLogger(__name__)

SOURCE, DETAIL_TYPE = "headgate", "Batch Job State Change"
#: PutEvents takes ten entries.
MOST_ENTRIES = 10
STATES = {Succeed: State.SUCCEEDED, Fail: State.FAILED}


@dataclass(frozen=True, slots=True)
class Announcer:
    """Tells of each task that ended for good. An event lost with AWS away is only logged: whoever
    must not miss one asks the broker, where the state itself is. No pass waits for it twice in a
    while: a call to what does not answer takes half a minute, and ten events go in one."""

    events: EventBridgeClient
    bus: str
    spare: Spare

    def announce(self, judged: Sequence[Judged]) -> None:
        entries = [entry for one in judged if (entry := self._entry(one)) is not None]
        lost = 0
        for start in range(0, len(entries), MOST_ENTRIES):
            some = entries[start : start + MOST_ENTRIES]
            lost += self.spare.ask(partial(self._put, some), len(some))
        if lost:
            why = self.spare.problem or "events:PutEvents refused them"
            log.warning("%d events were not taken: %s", lost, why, extra={"action": "events_lost"})

    def _put(self, entries: list[dict[str, Any]]) -> int:
        """How many were not taken."""
        with calling("events:PutEvents"):
            answer = self.events.put_events(Entries=entries)  # type: ignore[arg-type]
        return answer.get("FailedEntryCount", 0)

    def _entry(self, judged: Judged) -> dict[str, Any] | None:
        state = STATES.get(type(judged.verdict))
        if state is None:
            return None  # it will be tried again
        return {
            "EventBusName": self.bus,
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Time": datetime.fromtimestamp(judged.ended.at_s, UTC),
            "Detail": json.dumps(to_detail(judged, state)),
        }


def to_detail(judged: Judged, state: State) -> dict[str, Any]:
    """As AWS Batch's own, as far as an end tells: leaks are named by their job and a number."""
    ended = judged.ended
    detail: dict[str, Any] = {
        "jobId": ended.leak.rpartition("-")[0],
        "status": state.value,
        "arrayProperties": {"index": ended.task},
        "stoppedAt": int(ended.at_s * 1000),
        "container": {} if ended.exit_code is None else {"exitCode": ended.exit_code},
    }
    if ended.started_at_s is not None:
        detail["startedAt"] = int(ended.started_at_s * 1000)
    reason = judged.verdict.reason if isinstance(judged.verdict, Fail) else ended.reason
    return detail | ({"statusReason": reason} if reason else {})


class AnnouncingStore(SqlStore):
    """The store, that tells what it settled once it is durable."""

    tell: Callable[[Sequence[Judged]], None] | None = None

    def settle(self, judged: Sequence[Judged]) -> list[Judged]:
        fresh = super().settle(judged)
        if self.tell is not None and fresh:
            self.tell(fresh)
        return fresh
