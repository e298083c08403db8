"""docs/howto/deploy.md names what there is, and nothing that there is not."""

from __future__ import annotations

import re
from pathlib import Path

from tests.integration.deploy.template import read

PAGE = (Path(__file__).parents[3] / "docs" / "howto" / "deploy.md").read_text()


def test_every_parameter_is_explained() -> None:
    table = PAGE.partition("## Parameters")[2].partition("\n## ")[0]
    named = {
        name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in names(row)
    }

    assert named == set(read()["Parameters"])


def names(row: str) -> list[str]:
    return re.findall(r"`(\w+)`", row)


def test_what_the_commands_give_are_parameters() -> None:
    given = set(re.findall(r"\b([A-Z]\w+)=", PAGE))

    assert given - {"HEADGATE_URL", "HEADGATE_TOKEN"} <= set(read()["Parameters"])
    needed = {name for name, one in read()["Parameters"].items() if "Default" not in one}
    assert needed <= given


def test_the_outputs_that_it_speaks_of_are_there() -> None:
    for name in ("Address", "LaneSettings", "BrokerSecurityGroup"):
        assert name in PAGE
        assert name in read()["Outputs"]


def test_the_names_in_its_commands_are_the_template_s() -> None:
    resources = read()["Resources"]

    assert resources["Cluster"]["Properties"]["ClusterName"] == {
        "Fn::Sub": "${AWS::StackName}-broker"
    }
    assert resources["BrokerTask"]["Properties"]["Family"] == {
        "Fn::Sub": "${AWS::StackName}-broker"
    }
    assert resources["BrokerLog"]["Properties"]["LogGroupName"] == {
        "Fn::Sub": "/headgate/${AWS::StackName}"
    }
