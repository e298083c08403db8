"""What the service wants of a compute environment's launch template, in its own words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from queue_broker.wire.faults import refused

NAMES = ("launchTemplateId", "launchTemplateName")
VERSION = re.compile(r"|[0-9]+|\$Default|\$Latest")
HERE = "LaunchTemplate.overrides"


def check(template: Mapping[str, Any] | None, types: Sequence[str]) -> None:
    if not template:
        return
    overrides = template.get("overrides", ())
    named = sum(bool(template.get(name)) for name in NAMES)
    if named > 1 or not (named or overrides):
        words = f"{HERE} should be provided"
        raise refused(f"One of LaunchTemplateId and LaunchTemplateName or {words}")
    check_version(template)
    seen: set[str] = set()
    for one in overrides:
        check_override(one, seen, types)
        seen.update(one["targetInstanceTypes"])


def check_override(given: Mapping[str, Any], seen: set[str], types: Sequence[str]) -> None:
    """`seen`: what those before it are for; `types`: what the environment has."""
    if all(given.get(name) for name in NAMES):
        raise refused(f"{HERE} should have either LaunchTemplateId or LaunchTemplateName")
    check_version(given)
    targets = given.get("targetInstanceTypes")
    if not targets:
        raise refused(f"{HERE}.targetInstanceTypes[] is required")
    if seen.intersection(targets) or len(set(targets)) < len(targets):
        raise refused(f"{HERE} have duplicate targetInstanceTypes")
    if not all(fits(one, types) for one in targets):
        raise refused(f"{HERE} have targetInstanceTypes that do not match")


def fits(target: str, types: Sequence[str]) -> bool:
    """An instance type also where its family, or a bundle of families, is what there is."""
    family = target.partition(".")[0]
    bundled = any(one == "optimal" or one.startswith("default_") for one in types)
    return bundled or target in types or family in types


def check_version(given: Mapping[str, Any]) -> None:
    if not VERSION.fullmatch(given.get("version", "")):
        words = "must be either empty or a number or $Default or $Latest"
        raise refused(f"LaunchTemplateVersion {words}")
