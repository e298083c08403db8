from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.queue_broker.wire.batch import Batch


def arns(batch: Batch) -> dict[str, str]:
    """One of everything that has an ARN."""
    job_id = batch.submit(arrayProperties={"size": 3})
    job = batch.describe(job_id)["jobArn"]
    policy: Any = batch.client.create_scheduling_policy(name="fair", fairsharePolicy={})
    return {
        "job": job,
        "definition": batch.define("d"),
        "queue": batch.describe(job_id)["jobQueue"],
        "policy": policy["arn"],
    }


@pytest.mark.parametrize("kind", ["job", "definition", "queue", "policy"])
def test_everything_with_an_arn_has_tags(batch: Batch, kind: str) -> None:
    arn = arns(batch)[kind]
    batch.client.tag_resource(resourceArn=arn, tags={"a": "1", "b/c d": "2"})
    batch.client.tag_resource(resourceArn=arn, tags={"a": "3"})
    assert batch.client.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "3", "b/c d": "2"}
    batch.client.untag_resource(resourceArn=arn, tagKeys=["b/c d", "none"])
    assert batch.client.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "3"}


def test_a_child_of_an_array_has_no_tags_of_its_own(batch: Batch) -> None:
    with pytest.raises(ClientError, match="no child of an array"):
        batch.client.list_tags_for_resource(resourceArn=f"{arns(batch)['job']}:1")


def test_a_jobs_changed_tags_are_told_with_it(batch: Batch) -> None:
    job_id = batch.submit(tags={"a": "1"})
    arn = batch.describe(job_id)["jobArn"]
    assert batch.client.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "1"}
    batch.client.tag_resource(resourceArn=arn, tags={"b": "2"})
    batch.client.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert batch.describe(job_id)["tags"] == {"b": "2"}


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({str(at): "" for at in range(51)}, "less than or equal to 50"),
        ({"aws:mine": "x"}, "aws:mine"),
        ({}, "greater than or equal to 1"),
    ],
)
def test_bad_tags_are_refused(batch: Batch, tags: dict[str, str], words: str) -> None:
    arn = batch.describe(batch.submit())["jobArn"]
    with pytest.raises(ClientError) as caught:
        batch.client.tag_resource(resourceArn=arn, tags=tags)
    assert words in str(caught.value)


@pytest.mark.parametrize("tags", [{"tag": "S1 (a;b)"}, {"a*": "1"}, {"tag": "line\nbreak"}])
def test_characters_that_aws_takes_in_no_tag_are_refused_in_its_words(
    batch: Batch, tags: dict[str, str]
) -> None:
    with pytest.raises(ClientError, match="it contains illegal characters") as caught:
        batch.submit(tags=tags)
    assert caught.value.response["Error"]["Code"] == "BadRequestException"


def test_letters_of_every_script_are_fine_in_tags(batch: Batch) -> None:
    tags = {"Größe": "10\u00a0m @ +1", "サンプル": "試料 1", "a:b/c_d.e=f": ""}
    assert batch.describe(batch.submit(tags=tags))["tags"] == tags


def test_more_tags_than_a_resource_may_have_are_refused_whatever_the_steps(batch: Batch) -> None:
    arn = batch.describe(batch.submit())["jobArn"]
    batch.client.tag_resource(resourceArn=arn, tags={str(at): "" for at in range(50)})
    with pytest.raises(ClientError, match="at most 50"):
        batch.client.tag_resource(resourceArn=arn, tags={"one more": ""})


@pytest.mark.parametrize("arn", ["nonsense", "arn:aws:batch:r:1:job/none", "arn:aws:batch:r:1:x/y"])
def test_what_does_not_exist_has_no_tags(batch: Batch, arn: str) -> None:
    with pytest.raises(ClientError, match="resourceArn"):
        batch.client.list_tags_for_resource(resourceArn=arn)
