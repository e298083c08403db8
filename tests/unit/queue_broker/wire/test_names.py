from __future__ import annotations

import pytest

from queue_broker.wire.names import Place, name_of, parts


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-central-1", "aws"),
        ("us-east-1", "aws"),
        ("cn-northwest-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eusc-de-east-1", "aws-eusc"),
    ],
)
def test_an_arn_is_of_its_regions_partition(region: str, partition: str) -> None:
    arn = Place(region, "123456789012").arn("job-queue", "q")
    assert arn == f"arn:{partition}:batch:{region}:123456789012:job-queue/q"
    assert parts(arn) == ("job-queue", "q")
    assert name_of(arn, "job-queue") == "q"


def test_an_arn_of_another_kind_names_nothing() -> None:
    arn = Place("eu-central-1", "123456789012").arn("job-queue", "q")
    assert name_of(arn, "job-definition") == arn
