"""The parts of a broker that stand on AWS; for the composition root alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from headgate.errors import InvalidInput
from headgate.job import Job
from headgate.sweep import Sweep
from queue_broker.adapters.callbacks import Callbacks
from queue_broker.adapters.engines.aws.clients import Clients, connect_clients
from queue_broker.adapters.engines.aws.engine import AwsEngine
from queue_broker.adapters.engines.aws.spare import Spare
from queue_broker.adapters.events import Announcer, AnnouncingStore
from queue_broker.adapters.iceberg import IcebergTable, open_table
from queue_broker.adapters.inbox import Inbox
from queue_broker.adapters.lake import Pace
from queue_broker.adapters.s3_lake import S3Lake, s3_files
from queue_broker.adapters.store.store import SqlStore
from queue_broker.adapters.upstream import BatchUpstream
from queue_broker.core.bucket import TokenBucket
from queue_broker.core.pace import unhurried
from queue_broker.core.parameters import Parameters
from queue_broker.core.submit import Caller, Submitter
from queue_broker.ports import Clock
from queue_broker.records import JobId
from queue_broker.settings import AwsSettings, Settings, is_loopback
from queue_broker.wire.messages import Desk
from queue_broker.wire.service import Wire

COMPACT_S = 3_600.0


@dataclass(slots=True)
class Cloud:
    """What a broker has on AWS. `bucket` are SubmitJob's calls, which policy and engine share."""

    settings: AwsSettings
    clients: Clients
    clock: Clock
    engine: AwsEngine
    bucket: TokenBucket
    upstream: BatchUpstream
    lake: S3Lake | None = None
    iceberg: IcebergTable | None = None
    compacted_s: float = 0.0

    def chores(self, wire: Wire) -> Mapping[str, Callable[[], bool]]:
        """What has to be done again and again, each in a loop of its own."""
        found: dict[str, Callable[[], bool]] = {}
        if url := self.settings.inbox_queue_url:
            desk = Desk(wire)
            steps = self.clients.steps
            callbacks = Callbacks(steps, wire.shelf, wire.store, desk.tell, desk.stop)
            found["inbox"] = Inbox(
                sqs=self.clients.sqs,
                url=url,
                dead_letter_url=self.settings.dead_letter_url,
                submit=submit_by(wire.submitter),
                translate=desk.to_work,
                answers=callbacks,
                shelf=wire.shelf,
            ).run
            found["callbacks"] = lambda: callbacks.run(self.clock())
        if self.lake is not None:
            found["compaction"] = self._compact
        return found

    def _compact(self) -> bool:
        if self.lake is not None and self.clock() - self.compacted_s >= COMPACT_S:
            self.lake.compact(self.clock())
            if self.iceberg is not None:
                self.iceberg.sync()
            self.compacted_s = self.clock()
        return False


def connect(settings: Settings, parameters: Parameters, clock: Clock) -> Cloud:
    """Makes the parts; asks AWS for nothing yet. `InvalidInput` where it would ask itself."""
    aws = settings.aws
    clients = connect_clients(aws, settings.aws_region)
    refuse_itself(settings, clients.batch.meta.endpoint_url)
    bucket = TokenBucket(aws.submits_per_s, aws.submits_per_s)
    history = lake(aws, settings.aws_region, unhurried)
    table = aws.iceberg_table
    return Cloud(
        settings=aws,
        clients=clients,
        clock=clock,
        engine=AwsEngine(aws, clients, parameters.of, clock, bucket),
        bucket=bucket,
        upstream=BatchUpstream(clients.batch),
        lake=history,
        iceberg=open_table(table, history) if table and history else None,
    )


def refuse_itself(settings: Settings, url: str) -> None:
    """A variable meant for clients on the same machine leads here too: every question would be
    asked of the broker again, until no thread is left to answer."""
    where = urlsplit(url)
    here = where.hostname is not None and is_loopback(where.hostname)
    if where.port == settings.port and (here or where.hostname == settings.host):
        allowed = "AWS Batch's address, which this broker's own is not: unset it where it runs"
        raise InvalidInput.of("AWS_ENDPOINT_URL_BATCH", url, allowed)


def open_store(settings: Settings, clock: Clock) -> SqlStore:
    """The store; where there is a bus, it is told what was settled."""
    bus = settings.aws.event_bus
    if bus is None:
        return SqlStore(settings.store_url, clock)
    store = AnnouncingStore(settings.store_url, clock)
    clients = connect_clients(settings.aws, settings.aws_region)
    store.tell = Announcer(clients.events, bus, Spare(clock)).announce
    return store


def lake(settings: AwsSettings, region: str, pace: Pace = iter) -> S3Lake | None:
    if settings.bucket is None:
        return None
    files = s3_files(region, address_of_s3(settings, region))
    return S3Lake(f"{settings.bucket}/{settings.key('lake')}", files, pace)


def address_of_s3(settings: AwsSettings, region: str) -> str | None:
    """None for AWS's own. Of an address in the environment or a profile boto3 alone knows; the
    history must not go elsewhere than all the rest."""
    url = connect_clients(settings, region).s3.meta.endpoint_url
    return settings.endpoint_urls.get("s3") or (None if "amazonaws.com" in url else url)


def submit_by(submitter: Submitter) -> Callable[[Job | Sweep], JobId]:
    """Submits from a thread, one after another, without the requests' event loop."""

    def submit(work: Job | Sweep) -> JobId:
        submission = submitter.prepare(work, Caller())
        (accepted,) = submitter.store.add([submission])
        if isinstance(accepted, Exception):
            raise accepted
        return accepted.job_id

    return submit
