from __future__ import annotations

from typing import Any

import pytest

from headgate.errors import InvalidInput, Unavailable
from headgate.job import Job
from queue_broker import containers
from queue_broker.adapters.engines.aws.cargo import SHIM_VARIABLE
from queue_broker.adapters.engines.aws.definitions import Definitions
from queue_broker.settings import AwsSettings
from tests.unit.queue_broker.adapters.engines.aws.batch import ARN, FakeBatch, error


def a_job(**more: Any) -> Job:
    return Job(name="train", command=("work",), **more)


def definitions(batch: FakeBatch, **settings: Any) -> Definitions:
    return Definitions(batch, AwsSettings(**({"image": "busybox"} | settings)))  # type: ignore[arg-type]


def theirs(batch: FakeBatch, name: str = "theirs", revision: int = 1, **properties: Any) -> str:
    arn = f"{ARN}/{name}:{revision}"
    batch.definitions[arn] = {
        "jobDefinitionName": name,
        "jobDefinitionArn": arn,
        "revision": revision,
        "status": "ACTIVE",
        "containerProperties": {"image": f"image-{revision}", "command": ["no"]} | properties,
    }
    return arn


def registered(batch: FakeBatch, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = batch.definitions[arn]["containerProperties"]
    return found


def test_jobs_of_one_container_share_a_definition_whatever_their_shape() -> None:
    batch = FakeBatch()
    known = definitions(batch)

    arns = {known.arn_for(a_job(environment={"A": str(n)})) for n in range(5)}

    assert len(arns) == len(batch.definitions) == 1
    assert batch.calls["register_job_definition"] == 1


def test_an_image_that_brings_its_own_command_runs_it() -> None:
    batch = FakeBatch()
    theirs(batch)
    known = definitions(batch)

    own = known.arn_for(Job(name="train", definition="theirs:1"))

    assert "command" not in registered(batch, own)
    assert own != known.arn_for(a_job(definition="theirs:1"))


def test_another_replica_finds_it_by_its_name() -> None:
    batch = FakeBatch()

    assert definitions(batch).arn_for(a_job()) == definitions(batch).arn_for(a_job())
    assert batch.calls["register_job_definition"] == 1


def test_a_definition_carries_the_shim_the_stack_and_the_roles() -> None:
    batch = FakeBatch()
    arn = definitions(batch, stack="ours", job_role_arn="role").arn_for(a_job())

    given = batch.definitions[arn]
    assert given["jobDefinitionName"].startswith("ours-")
    assert given["tags"] == {"headgate:stack": "ours"}
    assert registered(batch, arn)["jobRoleArn"] == "role"
    assert {one["name"] for one in registered(batch, arn)["environment"]} == {SHIM_VARIABLE}


def test_output_goes_to_the_log_group_that_is_read() -> None:
    batch = FakeBatch()
    plain = registered(batch, definitions(batch).arn_for(a_job()))
    ours = registered(batch, definitions(batch, log_group="/ours").arn_for(a_job()))

    assert "logConfiguration" not in plain
    options = {"awslogs-group": "/ours"}
    assert ours["logConfiguration"] == {"logDriver": "awslogs", "options": options}


def test_a_copy_of_the_account_s_own_definition_keeps_what_it_says() -> None:
    batch = FakeBatch()
    theirs(batch)
    mounts = [{"containerPath": "/data", "sourceVolume": "data"}]
    newest = theirs(
        batch, revision=2, mountPoints=mounts, environment=[{"name": "A", "value": "1"}]
    )

    container = registered(batch, definitions(batch).arn_for(a_job(definition="theirs")))

    assert (container["image"], container["mountPoints"]) == ("image-2", mounts)
    assert {"name": "A", "value": "1"} in container["environment"]
    old = registered(batch, definitions(batch).arn_for(a_job(definition="theirs:1")))
    assert newest.endswith(":2")
    assert old["image"] == "image-1"


def test_a_definition_that_is_no_container_s_is_refused() -> None:
    batch = FakeBatch()
    arn = theirs(batch)
    batch.definitions[arn]["eksProperties"] = batch.definitions[arn].pop("containerProperties")

    with pytest.raises(InvalidInput, match=r"got 'theirs:1, one of pods'"):
        definitions(batch).arn_for(a_job(definition="theirs"))


def test_a_job_without_any_image_is_refused() -> None:
    with pytest.raises(InvalidInput, match="image: got None"):
        definitions(FakeBatch(), image=None).arn_for(a_job())


def test_what_somebody_deregistered_is_registered_again() -> None:
    batch = FakeBatch()
    known = definitions(batch)
    arn = known.arn_for(a_job())
    batch.definitions[arn]["status"] = "INACTIVE"
    assert known.arn_for(a_job()) == arn

    known.forget(arn)

    assert known.arn_for(a_job()) == f"{arn.removesuffix(':1')}:2"


def test_a_right_that_lacks_is_named() -> None:
    batch = FakeBatch()
    batch.errors["register_job_definition"] = [error("AccessDeniedException", status=403)]

    with pytest.raises(Unavailable, match='"Action": "batch:RegisterJobDefinition"'):
        definitions(batch).arn_for(a_job())


def test_that_an_image_runs_no_shim_is_tagged_on_its_definition_for_brokers_to_come() -> None:
    batch = FakeBatch()
    known = definitions(batch)
    assert known.runs(a_job()) is None

    known.learn(a_job(), runs=False)
    known.learn(a_job(), runs=False)

    assert batch.definitions[known.arn_for(a_job())]["tags"]["headgate:shim"] == "off"
    assert batch.calls["tag_resource"] == 1
    assert definitions(batch).runs(a_job()) is False
    assert definitions(batch).runs(a_job(image="other")) is None


def test_without_the_right_to_tag_it_is_known_while_the_broker_lives() -> None:
    batch = FakeBatch()
    batch.errors["tag_resource"] = [error("AccessDeniedException", status=403)]
    known = definitions(batch)

    known.learn(a_job(), runs=False)

    assert known.runs(a_job()) is False


def test_what_was_made_for_fargate_is_copied_without_what_instances_do_not_take() -> None:
    batch = FakeBatch()
    theirs(
        batch,
        networkConfiguration={"assignPublicIp": "ENABLED"},
        fargatePlatformConfiguration={"platformVersion": "LATEST"},
        runtimePlatform={"cpuArchitecture": "X86_64"},
        ephemeralStorage={"sizeInGiB": 100},
        executionRoleArn="role",
    )

    container = registered(batch, definitions(batch).arn_for(a_job(definition="theirs")))

    assert container["executionRoleArn"] == "role"
    assert not containers.FARGATE_ONLY & container.keys()


def test_the_one_container_of_a_task_is_copied_with_what_its_task_says() -> None:
    batch = FakeBatch()
    arn = theirs(batch)
    inside = {"name": "main", "image": "x", "essential": True, "secrets": [{"name": "A"}]}
    volumes = [{"name": "data"}]
    task = {"containers": [inside], "taskRoleArn": "role", "volumes": volumes}
    del batch.definitions[arn]["containerProperties"]
    batch.definitions[arn]["ecsProperties"] = {"taskProperties": [task]}

    container = registered(batch, definitions(batch).arn_for(a_job(definition="theirs")))

    assert (container["image"], container["secrets"]) == ("x", [{"name": "A"}])
    assert (container["jobRoleArn"], container["volumes"]) == ("role", volumes)
    assert not {"name", "essential"} & container.keys()


def test_a_definition_that_aws_refuses_is_its_job_s_own_trouble() -> None:
    batch = FakeBatch()
    batch.errors["register_job_definition"] = [error("ClientException", "no such role")]
    with pytest.raises(InvalidInput, match="no such role"):
        definitions(batch).arn_for(a_job())


def test_what_was_submitted_with_a_revision_runs_as_it_says_though_that_is_deregistered() -> None:
    batch = FakeBatch()
    arn = theirs(batch, jobRoleArn="role")
    theirs(batch, revision=2)
    batch.definitions[arn]["status"] = "INACTIVE"

    container = registered(batch, definitions(batch).arn_for(a_job(definition="theirs:1")))

    assert (container["image"], container["jobRoleArn"]) == ("image-1", "role")


def test_the_tags_of_the_account_s_definition_are_known() -> None:
    batch = FakeBatch()
    batch.definitions[theirs(batch)]["tags"] = {"team": "vision"}
    assert definitions(batch).tags_of(a_job(definition="theirs")) == {"team": "vision"}
    assert definitions(batch).tags_of(a_job()) == {}
