"""Who we are, whether the clock is right, and what we may do."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from headgate.errors import Unavailable
from queue_broker.adapters.doctor.findings import Account, Finding, Found, namer
from queue_broker.adapters.doctor.needs import Need, context, needs
from queue_broker.adapters.engines.aws.faults import FAILED, words

#: AWS refuses what is signed with a clock further off; half of that is time to act.
MOST_SKEW_S = 300.0
NTP = "let the machine's clock follow NTP (chrony with 169.254.169.123 on EC2)"


def identity(account: Account) -> tuple[str | None, list[Finding]]:
    """Our ARN, None where AWS does not know us; with what the first call tells of the clock."""
    good, _, bad = namer("credentials")
    try:
        answer: Any = account.client("sts").get_caller_identity()
    except FAILED as error:
        mend = (
            "give boto3 credentials: a role, AWS_PROFILE, or AWS_ACCESS_KEY_ID; renew them if old"
        )
        told = getattr(error, "response", {})
        return None, [bad(words("sts:GetCallerIdentity", error), mend), *skew(account, told)]
    arn, mine = str(answer["Arn"]), account.settings.aws_account
    found = [good(f"we are {arn}"), *skew(account, answer)]
    if answer["Account"] != mine:
        says = f"aws_account is {mine}, and the credentials are of {answer['Account']}"
        found.append(bad(says, f'set aws_account = "{answer["Account"]}"'))
    return arn, found


def skew(account: Account, answer: dict[str, Any]) -> Found:
    """How far our clock is from AWS's, by the answer's own date (whole seconds)."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if "date" not in headers:
        return
    theirs = parsedate_to_datetime(headers["date"])
    ours = datetime.fromtimestamp(account.clock(), UTC)
    off_s = (ours - theirs).total_seconds()
    good, warning, bad = namer("clock")
    says = f"the clock is {abs(off_s):.0f} s {'ahead of' if off_s > 0 else 'behind'} AWS's"
    if abs(off_s) >= MOST_SKEW_S:
        yield bad(f"{says}; beyond {MOST_SKEW_S:.0f} s every call is refused", NTP)
    elif abs(off_s) >= MOST_SKEW_S / 2:
        yield warning(says, NTP)
    else:
        yield good(says)


def permissions(account: Account, arn: str) -> Found:
    """What IAM says of each call that the broker makes; nothing is done."""
    good, warning, _ = namer("permissions")
    source = policy_source(arn)
    if source is None:
        yield warning(
            f"{arn} is not a role or user of IAM: not examined", "run as the broker's role"
        )
        return
    partition, number = arn.split(":")[1], arn.split(":")[4]
    wanted = needs(account.settings, partition, number)
    try:
        lacking = [missing(need, denied(account, source, need)) for need in wanted]
    except Unavailable as error:
        line = Need(("iam:SimulatePrincipalPolicy",), (source,), "").line(
            ["iam:SimulatePrincipalPolicy"]
        )
        yield warning(f"permissions could not be examined: {error}", f"add {line}")
        return
    found = [finding for finding in lacking if finding is not None]
    yield from found
    if not found:
        n = sum(len(need.actions) for need in wanted)
        yield good(f"all {n} that the broker needs")


def policy_source(arn: str) -> str | None:
    """The role behind a session's ARN, or the user; its policies are what is simulated."""
    kind = arn.split(":", 5)[5]
    if kind.startswith("assumed-role/"):
        partition, account = arn.split(":")[1], arn.split(":")[4]
        return f"arn:{partition}:iam::{account}:role/{kind.split('/')[1]}"
    return arn if kind.startswith(("user/", "role/")) else None


def denied(account: Account, source: str, need: Need) -> list[str]:
    """Those of a need's actions that IAM would refuse on any of its resources."""
    carried = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in context(account.aws).items()
    ]
    answer = account.ask(
        "iam",
        "SimulatePrincipalPolicy",
        PolicySourceArn=source,
        ActionNames=list(need.actions),
        ResourceArns=list(need.resources),
        ContextEntries=carried,
    )
    refused = {
        one["EvalActionName"]
        for one in answer["EvaluationResults"]
        if set(decisions(one)) != {"allowed"}
    }
    return [action for action in need.actions if action in refused]


def decisions(result: dict[str, Any]) -> list[str]:
    """IAM's word on an action as a whole, then on each resource."""
    each = [one["EvalResourceDecision"] for one in result.get("ResourceSpecificResults", ())]
    return [result["EvalDecision"], *each]


def missing(need: Need, actions: list[str]) -> Finding | None:
    if not actions:
        return None
    _, _, bad = namer("permissions")
    says = f"{', '.join(actions)} on {', '.join(need.resources)}: not permitted; {need.loses}"
    return bad(says, f"add {need.line(actions)}")
