"""All checks, one after another. Nothing is changed; a check that fails stops no other."""

from __future__ import annotations

from collections.abc import Callable

from headgate.errors import Unavailable
from queue_broker.adapters.doctor import access, lanes, places
from queue_broker.adapters.doctor.findings import Account, Finding, Found, Level

CHECKS: dict[str, Callable[[Account], Found]] = {
    "lanes": lanes.lanes,
    "bucket": places.bucket,
    "log": places.log,
    "events": places.events,
    "inbox": places.inbox,
}


def examine(account: Account) -> list[Finding]:
    """Everything that was seen, in the order of the checks."""
    arn, found = access.identity(account)
    if arn is None:
        return found  # whatever else is asked, the answer would be the same
    found += access.permissions(account, arn)
    for name, check in CHECKS.items():
        found += one_by_one(name, check(account))
    return found


def one_by_one(name: str, check: Found) -> list[Finding]:
    """What a check found before it failed stands too."""
    found = []
    try:
        for finding in check:
            found.append(finding)  # noqa: PERF402 - what came before an error is kept
    except Unavailable as error:
        found.append(Finding(name, Level.FAILURE, str(error), "see the reason"))
    return found
