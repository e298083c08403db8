from __future__ import annotations

from typing import Any

import pytest

from queue_broker.wire.faults import Fault
from queue_broker.wire.volumes import check_volumes

HOST = {"name": "v", "host": {"sourcePath": "/"}}
S3 = {"name": "v", "s3filesVolumeConfiguration": {"fileSystemArn": "arn"}}


def efs(**more: Any) -> dict[str, Any]:
    return {"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1"} | more}


@pytest.mark.parametrize(
    "volume",
    [
        HOST,
        {"name": "v"},
        efs(rootDirectory="/data"),
        efs(transitEncryption="ENABLED", authorizationConfig={"accessPointId": "a"}),
    ],
)
def test_a_volume_that_can_be_had_is_taken(volume: dict[str, Any]) -> None:
    check_volumes([volume], fargate=False, job_role=None)


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        (HOST | efs(), "only one volume configuration type should be used."),
        (HOST, "host.sourcePath should not be set for volumes in Fargate."),
        (S3, "A jobRoleArn/taskRoleArn is required when using s3filesVolumeConfiguration."),
        (efs(fileSystemId="data"), "EFS configuration fileSystemId is not valid: data."),
        (
            efs(rootDirectory="/a", authorizationConfig={"accessPointId": "a"}),
            'the root directory must either be set to "/" or omitted',
        ),
        (
            efs(authorizationConfig={"accessPointId": "a"}),
            "EFS IAM access point requires TransitEncryption to be enabled.",
        ),
        (
            efs(authorizationConfig={"iam": "ENABLED"}),
            "EFS IAM authorization requires TransitEncryption to be enabled.",
        ),
    ],
)
def test_another_is_refused_in_the_services_words(volume: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault, match=words):
        check_volumes([volume], fargate=True, job_role=None)
