"""The lanes as AWS Batch has them, and the Region's limits on them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from headgate.errors import Unavailable
from queue_broker.adapters.doctor.findings import Account, Found, namer
from queue_broker.adapters.engines.aws.fleet import SHAPE_TAG, STACK_TAG, name_of, why_closed
from queue_broker.adapters.lane_orders import MOST_QUEUES, Standing, standing

#: EC2's quotas of vCPUs, and the families that count towards them.
QUOTAS = {"EC2": "L-1216C47A", "SPOT": "L-34B43A08"}
STANDARD = frozenset({"a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"})
MAKE = "headgate lanes plan --json > lanes.json && headgate lanes apply lanes.json"
#: So many are left before the quota: then say so.
NEAR = 5
#: What one DescribeInstanceTypeOfferings filters by.
MOST_TYPES = 200

Environment = Mapping[str, Any]


def lanes(account: Account) -> Found:
    """Everything about the lanes, from one look at AWS Batch."""
    now = standing(account.client("batch"))
    mine = [one for one in now.environments.values() if is_lane(one, account.aws.stack)]
    yield from states(mine, now)
    yield from counts(now)
    yield from offered(account, mine)
    for kind, code in QUOTAS.items():
        yield from vcpus(account, [one for one in mine if kind_of(one) == kind], code)


def is_lane(environment: Environment, stack: str) -> bool:
    tags = environment.get("tags", {})
    return tags.get(STACK_TAG) == stack and SHAPE_TAG in tags


def kind_of(environment: Environment) -> str:
    return str(environment.get("computeResources", {}).get("type", ""))


def states(mine: list[Environment], now: Standing) -> Found:
    """Whether each lane has a queue, and both are open."""
    good, warning, bad = namer("lanes")
    queues = {
        name_of(order["computeEnvironment"]): queue
        for queue in now.queues.values()
        for order in queue["computeEnvironmentOrder"]
        if order["order"] == min(one["order"] for one in queue["computeEnvironmentOrder"])
    }
    open_ones = 0
    for one in mine:
        name = one["computeEnvironmentName"]
        queue = queues.get(name)
        if queue is None:
            yield warning(f"{name} has no queue", f"make it again: {MAKE}")
        elif why := why_closed(queue, one):
            yield warning(f"{name}: {why}", mend_of(why))
        else:
            open_ones += 1
    if not open_ones:
        yield bad("no lane is open: no job runs", MAKE)
    else:
        yield good(f"{open_ones} of {len(mine)} are open")


def mend_of(why: str) -> str:
    if "DISABLED" in why:
        return "headgate lanes apply opens it again, unless it was drained on purpose"
    return "see the reason; mostly the instance role, the subnets or the launch template are gone"


def counts(now: Standing) -> Found:
    """How near the Region's quotas are; other stacks' queues and environments count too."""
    good, warning, _ = namer("limits")
    for what, n in (("compute environments", len(now.environments)), ("queues", len(now.queues))):
        says = f"{n} {what} of {MOST_QUEUES} that a Region has"
        if n > MOST_QUEUES - NEAR:
            yield warning(says, "drain and delete lanes that are not used, or fewer: plan --most")
        else:
            yield good(says)


def offered(account: Account, mine: Iterable[Environment]) -> Found:
    """Whether the Region has the instance types; Batch itself only says that nothing starts."""
    good, warning, _ = namer("instance types")
    wanted = {name for one in mine for name in types_of(one) if "." in name}
    if not wanted:
        return
    here = set[str]()
    for start in range(0, len(wanted), MOST_TYPES):
        some = sorted(wanted)[start : start + MOST_TYPES]
        answer = account.ask(
            "ec2",
            "DescribeInstanceTypeOfferings",
            LocationType="region",
            Filters=[{"Name": "instance-type", "Values": some}],
        )
        here |= {one["InstanceType"] for one in answer["InstanceTypeOfferings"]}
    region = account.settings.aws_region
    if gone := sorted(wanted - here):
        mend = f"headgate catalogue refresh FILE --region {region}, and lanes from that catalogue"
        yield warning(f"not offered in {region}: {', '.join(gone)}", mend)
    else:
        yield good(f"all {len(wanted)} are offered in {region}")


def types_of(environment: Environment) -> list[str]:
    return list(environment.get("computeResources", {}).get("instanceTypes", ()))


def vcpus(account: Account, mine: list[Environment], code: str) -> Found:
    """Whether EC2 lets these lanes grow to their maximum."""
    good, warning, _ = namer("limits")
    most = sum(int(one["computeResources"]["maxvCpus"]) for one in mine if is_standard(one))
    if not most:
        return
    name = "Spot" if code == QUOTAS["SPOT"] else "on-demand"
    try:
        answer = account.ask(
            "service-quotas",
            "GetServiceQuota",
            "servicequotas:GetServiceQuota",
            ServiceCode="ec2",
            QuotaCode=code,
        )
    except Unavailable as error:
        yield warning(f"the quota of {name} vCPUs is not known: {error}", "see the reason")
        return
    quota = float(answer["Quota"]["Value"])
    says = f"lanes may grow to {most} {name} vCPUs; EC2's quota is {quota:g}"
    if most > quota:
        yield warning(
            says, f"ask for more of {code} in Service Quotas, or lower the lanes' maximum"
        )
    else:
        yield good(says)


def is_standard(environment: Environment) -> bool:
    families = [re.match(r"[a-z]+", name) for name in types_of(environment)]
    return all(one is not None and one.group() in STANDARD for one in families)
