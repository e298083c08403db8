"""What the service wants of the volumes of a job definition, in its own words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from queue_broker.wire.faults import refused

FILE_SYSTEM = re.compile("fs-[0-9a-z]+")
#: A volume is one of these.
KINDS = ("host", "efsVolumeConfiguration", "s3filesVolumeConfiguration")
EFS, S3_FILES = KINDS[1:]
ROOT = 'When using an EFS access point, the root directory must either be set to "/" or omitted'


def check_volumes(
    volumes: Iterable[Mapping[str, Any]], *, fargate: bool, job_role: str | None
) -> None:
    for one in volumes:
        if sum(bool(one.get(name)) for name in KINDS) > 1:
            words = "only one volume configuration type should be used."
            raise refused(f"When the volume parameter is specified, {words}")
        if fargate and one.get("host", {}).get("sourcePath"):
            raise refused("host.sourcePath should not be set for volumes in Fargate.")
        if one.get(S3_FILES) and not job_role:
            raise refused(f"A jobRoleArn/taskRoleArn is required when using {S3_FILES}.")
        if EFS in one:
            check_efs(one[EFS])


def check_efs(given: Mapping[str, Any]) -> None:
    if not FILE_SYSTEM.fullmatch(given["fileSystemId"]):
        raise refused(f"EFS configuration fileSystemId is not valid: {given['fileSystemId']}.")
    access, encrypted = given.get("authorizationConfig", {}), given.get("transitEncryption")
    if access.get("accessPointId") and given.get("rootDirectory", "/") != "/":
        raise refused(ROOT)
    for wanted, what in (
        (access.get("accessPointId"), "access point"),
        (access.get("iam") == "ENABLED", "authorization"),
    ):
        if wanted and encrypted != "ENABLED":
            raise refused(f"EFS IAM {what} requires TransitEncryption to be enabled.")
