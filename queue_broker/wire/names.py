"""Amazon Resource Names: arn:PARTITION:batch:REGION:ACCOUNT:KIND/NAME."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from queue_broker.wire.faults import Fault

ARN = re.compile(
    r"arn:aws[a-z-]*:batch:(?P<region>[a-z0-9-]*):(?P<account>[0-9]*):(?P<kind>[a-z-]+)/(?P<name>.+)"
)
#: By what the names of a partition's Regions begin with; all others are of `aws`.
PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eusc-": "aws-eusc",
}


@lru_cache(maxsize=64)
def prefix(service: str, region: str, account: str) -> str:
    found = (name for start, name in PARTITIONS.items() if region.startswith(start))
    return f"arn:{next(found, 'aws')}:{service}:{region}:{account}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the broker pretends to be: the Region that the request was signed for, the account."""

    region: str
    account: str

    def arn(self, kind: str, name: str) -> str:
        return f"{self.of('batch')}:{kind}/{name}"

    def of(self, service: str) -> str:
        """How every ARN of a service begins here."""
        return prefix(service, self.region, self.account)


def name_of(given: str, kind: str = "") -> str:
    """A thing's name, from its name or its ARN. The ARN of another kind of thing stays as it is:
    nothing has that name."""
    found = ARN.fullmatch(given)
    return found["name"] if found and kind in ("", found["kind"]) else given


def parts(arn: str) -> tuple[str, str]:
    """(kind, name) of an ARN; `Fault` when it is none of Batch's."""
    found = ARN.fullmatch(arn)
    if found is None:
        raise Fault(f"resourceArn: got {arn!r}; allowed: the ARN of a resource of AWS Batch")
    return found["kind"], found["name"]


def name_and_revision(given: str) -> tuple[str, int | None]:
    """A job definition's name and revision, from `name`, `name:revision` or its ARN."""
    name, colon, revision = name_of(given).partition(":")
    if not colon:
        return name, None
    if not revision.isascii() or not revision.isdecimal() or not 0 < int(revision) < 2**31:
        raise Fault(f"Provided name {given} is not supported pattern[a-zA-Z_0-9-]{{1,128}}")
    return name, int(revision)


def index_of(given: str) -> int | None:
    """A child's or a node's index; None of what is none. No job has so many that they have more
    digits than these, and Python reads no number of thousands of them."""
    if not (given.isascii() and given.isdecimal()):
        return None
    return int(given.lstrip("0")[:10] or "0")
