from __future__ import annotations

from typing import Any

import pytest

from queue_broker.wire.faults import Fault
from queue_broker.wire.templates import check

TYPES = ["m5", "c5.large"]
TEMPLATE: dict[str, Any] = {"launchTemplateId": "lt", "version": "$Latest"}


def override(*targets: str, **more: Any) -> dict[str, Any]:
    return {"launchTemplateId": "lt-2", "targetInstanceTypes": list(targets)} | more


def overridden(*overrides: dict[str, Any]) -> dict[str, Any]:
    return TEMPLATE | {"overrides": list(overrides)}


@pytest.mark.parametrize(
    "template",
    [None, TEMPLATE, {"overrides": [override("m5")]}, overridden(override("m5.large", "c5.large"))],
)
def test_a_launch_template_is_taken(template: dict[str, Any] | None) -> None:
    check(template, TYPES)


def test_a_bundle_has_every_type() -> None:
    check(overridden(override("r5")), ["optimal"])


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (TEMPLATE | {"launchTemplateName": "n"}, "One of LaunchTemplateId and LaunchTemplateName"),
        ({"version": "1"}, "or LaunchTemplate.overrides should be provided"),
        (TEMPLATE | {"version": "newest"}, "either empty or a number or .Default or .Latest"),
        (overridden(override("m5", launchTemplateName="n")), "should have either LaunchTemplateId"),
        (overridden(override("m5", version="newest")), "LaunchTemplateVersion must be"),
        (overridden(override()), r"overrides.targetInstanceTypes\[\] is required"),
        (overridden(override("m5"), override("m5")), "have duplicate targetInstanceTypes"),
        (overridden(override("r5")), "targetInstanceTypes that do not match"),
    ],
)
def test_another_is_refused_in_the_services_words(template: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault, match=words):
        check(template, TYPES)
