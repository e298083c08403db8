"""What AWS Batch remembers of a queue, for `headgate history import`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from headgate.errors import InvalidInput, Unavailable
from queue_broker.cli.screen import console, waiting

if TYPE_CHECKING:
    from training.imports import Import

#: DescribeJobs takes so many ids at once.
DESCRIBED = 100
#: How long a broker may take to say that it is one.
ASKED_S = 3.0
STATES = ("SUCCEEDED", "FAILED")


def read_batch(queue: str) -> Iterator[Import]:
    """The finished jobs that AWS Batch still describes; tasks of arrays one by one."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from training.import_batch import from_describe_jobs

    try:
        client = boto3.client("batch")
        url = client.meta.endpoint_url
        refuse_broker(url)
        console.print(f"asking {url} for the jobs of {escape(queue)}")
        with waiting() as bar:
            listing = bar.track(job_ids(client, {"jobQueue": queue}), description="listed")
            ids = list(listing)
            told = bar.track(described(client, ids), total=len(ids), description="described")
            yield from from_describe_jobs(told)
    except (BotoCoreError, ClientError) as error:
        raise Unavailable(f"AWS Batch could not be read: {error}") from error


def refuse_broker(url: str) -> None:
    """A variable meant for clients of the broker leads here too."""
    if "amazonaws.com" not in url and is_broker(url):
        allowed = (
            "AWS Batch itself, since a broker's own jobs are in its history already: unset "
            "AWS_ENDPOINT_URL_BATCH, or endpoint_url in the AWS configuration, for this call"
        )
        raise InvalidInput.of("--from-batch", f"the Headgate broker at {url}", allowed)


def is_broker(url: str) -> bool:
    import httpx

    try:
        told = httpx.get(f"{url.rstrip('/')}/healthz", timeout=ASKED_S).json()
    except (httpx.HTTPError, ValueError):
        return False
    return isinstance(told, dict) and told.get("service") == "headgate"


def job_ids(client: Any, where: Mapping[str, str]) -> Iterator[str]:
    for state in STATES:
        pages = client.get_paginator("list_jobs").paginate(**where, jobStatus=state)
        for page in pages:
            for job in page["jobSummaryList"]:
                if "size" in job.get("arrayProperties", {}):
                    yield from job_ids(client, {"arrayJobId": job["jobId"]})
                else:
                    yield job["jobId"]


def described(client: Any, ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for start in range(0, len(ids), DESCRIBED):
        yield from client.describe_jobs(jobs=list(ids[start : start + DESCRIBED]))["jobs"]
