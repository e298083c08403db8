"""Tasks' logs from CloudWatch, in pages by byte, without the lines that are the shim's own."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headgate.errors import NotFound
from queue_broker.adapters.engines.aws.faults import calling
from queue_broker.adapters.engines.logs import LEAST_BYTES, decode, to_offset
from queue_broker.adapters.engines.shim import take_report
from queue_broker.records import LogPage

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

#: Readers whose place in a stream is remembered: whoever reads on need not begin again.
MOST_READERS = 64


@dataclass(slots=True)
class Place:
    """Where a reader of a stream stands: text from byte `offset` on, and where it goes on."""

    offset: int = 0
    data: bytes = b""
    token: str | None = None
    whole: bool = False  #: the stream gave nothing more when it was last asked


@dataclass(slots=True)
class Streams:
    """Reads streams forward. Not thread-safe."""

    logs: CloudWatchLogsClient
    group: str
    _places: OrderedDict[str, Place] = field(default_factory=OrderedDict)

    def page(self, stream: str, after: str | None, limit: int, over: bool) -> LogPage:
        """At most `limit` bytes; `over`: the task has ended. `NotFound`, `Unavailable`."""
        offset, most = to_offset(after), max(limit, LEAST_BYTES)
        place = self._places.pop(stream, Place())
        if offset < place.offset:
            place = Place()
        place.whole = False
        while not place.whole and place.offset + len(place.data) <= offset + most:
            self._more(stream, place)
        self._remember(stream, place)
        at = offset - place.offset
        data = place.data[at : at + most]
        ended = over and place.whole and at + len(data) >= len(place.data)
        text, used = decode(data, final=ended)
        place.offset, place.data = offset + used, place.data[at + used :]
        return LogPage(text, str(offset + used), ended)

    def _more(self, stream: str, place: Place) -> None:
        token: dict[str, Any] = {"nextToken": place.token} if place.token else {}
        with calling("logs:GetLogEvents"):
            try:
                answer = self.logs.get_log_events(
                    logGroupName=self.group, logStreamName=stream, startFromHead=True, **token
                )
            except self.logs.exceptions.ResourceNotFoundException as error:
                raise NotFound("this attempt has no log yet") from error
        lines = "".join(f"{event['message']}\n" for event in answer["events"])
        place.data += take_report(lines)[0].encode()
        following = answer["nextForwardToken"]
        place.whole = following == place.token or not answer["events"]
        place.token = following

    def _remember(self, stream: str, place: Place) -> None:
        self._places[stream] = place
        while len(self._places) > MOST_READERS:
            self._places.popitem(last=False)
