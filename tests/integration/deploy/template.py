"""deploy/headgate.yaml as CloudFormation would see it for given parameters."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

PATH = Path(__file__).parents[3] / "deploy" / "headgate.yaml"
NOTHING = {"Ref": "AWS::NoValue"}
#: What moto's CloudFormation cannot make.
NOT_IN_MOTO = {"AWS::SecretsManager::Secret", "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"}
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:database"
#: Every part that can be left out, left out.
BARE = {
    "LoadBalancer": "no",
    "Lanes": "no",
    "Events": "no",
    "Inbox": "no",
    "Bus": "no",
    "Training": "no",
    "BucketName": "a-bucket-of-ours",
    "DatabaseUrlSecretArn": SECRET,
}

Template = dict[str, Any]


@cache
def read() -> Template:
    # Here, since it takes seconds, and every worker imports every file of the tests.
    from cfnlint.decode import decode  # type: ignore[import-untyped]

    template, problems = decode(str(PATH))
    assert not problems
    return dict(template)


class Resolved:
    """The template with its conditions decided: what is not made is not there."""

    def __init__(self, **parameters: str) -> None:
        self.template = read()
        defaults = {
            name: one.get("Default", "") for name, one in self.template["Parameters"].items()
        }
        self.parameters: dict[str, Any] = defaults | parameters
        made = [
            (name, one)
            for name, one in self.template["Resources"].items()
            if "Condition" not in one or self.holds(one["Condition"])
        ]
        self.resources: Template = {name: self.decide(one) for name, one in made}

    def holds(self, condition: str) -> bool:
        return bool(self.value(self.template["Conditions"][condition]))

    def value(self, node: Any) -> Any:
        """A condition's function, or what it compares."""
        if not isinstance(node, dict):
            return node
        (function, given), *_ = node.items()
        match function:
            case "Ref":
                return self.parameters[given]
            case "Condition":
                return self.holds(given)
            case "Fn::Equals":
                return self.value(given[0]) == self.value(given[1])
            case "Fn::Not":
                return not self.value(given[0])
            case "Fn::Join":
                return self.value(given[1])
        raise AssertionError(f"{function} in a condition")

    def decide(self, node: Any) -> Any:
        """Every Fn::If by the branch that is taken; lists without what is nothing."""
        if isinstance(node, list):
            return [one for one in map(self.decide, node) if one != NOTHING]
        if not isinstance(node, dict):
            return node
        if "Fn::If" in node:
            condition, yes, no = node["Fn::If"]
            return self.decide(yes if self.holds(condition) else no)
        decided = {key: self.decide(one) for key, one in node.items()}
        return {key: one for key, one in decided.items() if one != NOTHING}

    def statements(self, role: str) -> list[Template]:
        """What a role's inline policies say."""
        return [
            statement
            for one in self.resources.values()
            if one["Type"] == "AWS::IAM::Policy" and {"Ref": role} in one["Properties"]["Roles"]
            for statement in one["Properties"]["PolicyDocument"]["Statement"]
        ]

    def for_moto(self) -> Template:
        """As a template that moto can make: without what it cannot, and with the role of Batch's
        that it insists on, where AWS takes the account's own."""
        kept = {k: dict(v) for k, v in self.resources.items() if v["Type"] not in NOT_IN_MOTO}
        for one in kept.values():
            one.pop("Condition", None)
            if one["Type"] == "AWS::Batch::ComputeEnvironment":
                role = {"Fn::GetAtt": ["InstanceRole", "Arn"]}
                one["Properties"] = one["Properties"] | {"ServiceRole": role}
        outputs = {
            name: {"Value": self.decide(one["Value"])}
            for name, one in self.template["Outputs"].items()
            if "Condition" not in one or self.holds(one["Condition"])
        }
        whole = self.template | {"Resources": known(kept), "Outputs": known(outputs)}
        return {key: one for key, one in whole.items() if key not in ("Rules", "Conditions")}


def known(node: Any) -> Any:
    """The secret, which moto does not make, by its ARN."""
    if isinstance(node, list):
        return [known(one) for one in node]
    if isinstance(node, dict):
        if node == {"Ref": "DatabasePassword"}:
            return SECRET
        return {key: known(one) for key, one in node.items()}
    return node.replace("${DatabasePassword}", SECRET) if isinstance(node, str) else node
