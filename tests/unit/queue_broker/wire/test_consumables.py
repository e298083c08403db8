"""Consumable resources without AWS behind the broker: it keeps them, and jobs wait for them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from queue_broker.adapters.engines.instant import Outcome
from queue_broker.records import Tasks
from tests.unit.queue_broker.wire.batch import Batch

NEEDS = {"consumableResourceList": [{"consumableResource": "licence", "quantity": 2}]}


@pytest.fixture
def licences(batch: Batch) -> Any:
    """Three licences, and an engine on which tasks run until they are told to end."""
    batch.engine.at_once = False
    return batch.client.create_consumable_resource(
        consumableResourceName="licence", totalQuantity=3, tags={"team": "cad"}
    )


def counted(batch: Batch) -> tuple[int, int, int]:
    told = batch.client.describe_consumable_resource(consumableResource="licence")
    return told["totalQuantity"], told["inUseQuantity"], told["availableQuantity"]


@pytest.mark.parametrize("of", ["definition", "job"])
def test_a_job_waits_until_there_is_enough_and_is_told_with_what_it_waits_for(
    batch: Batch, licences: Any, of: str
) -> None:
    batch.define("cad", **({"consumableResourceProperties": NEEDS} if of == "definition" else {}))
    more = {"consumableResourcePropertiesOverride": NEEDS} if of == "job" else {}
    first, second = (batch.submit(jobDefinition="cad", **more) for _ in range(2))
    batch.turn()

    assert batch.describe(first)["status"] == "RUNNING"
    waiting = batch.describe(second)
    assert waiting["statusReason"] == "consumable resource licence: all 3 are in use"
    assert waiting["consumableResourceProperties"] == NEEDS
    assert counted(batch) == (3, 2, 1)

    batch.engine.finish(f"{first}-1", Tasks([0]), Outcome(exit_code=0))
    batch.turn()
    batch.turn()
    assert batch.describe(second)["status"] == "RUNNING"


def test_more_can_be_bought(batch: Batch, licences: Any) -> None:
    jobs = [batch.submit(consumableResourcePropertiesOverride=NEEDS) for _ in range(2)]
    batch.turn()
    change = batch.client.update_consumable_resource
    arn = licences["consumableResourceArn"]
    assert change(consumableResource=arn, operation="ADD", quantity=2)["totalQuantity"] == 5
    batch.turn()
    assert [batch.describe(one)["status"] for one in jobs] == ["RUNNING", "RUNNING"]
    assert (
        change(consumableResource="licence", operation="REMOVE", quantity=4)["totalQuantity"] == 1
    )
    assert change(consumableResource="licence", operation="SET", quantity=9)["totalQuantity"] == 9


def test_they_are_listed_tagged_and_deleted(batch: Batch, licences: Any) -> None:
    client, arn = batch.client, licences["consumableResourceArn"]
    (told,) = client.list_consumable_resources()["consumableResources"]
    assert told == {
        "consumableResourceName": "licence",
        "consumableResourceArn": arn,
        "totalQuantity": 3,
        "inUseQuantity": 0,
        "resourceType": "REPLENISHABLE",
    }
    wanted = [{"name": "CONSUMABLE_RESOURCE_NAME", "values": ["other*"]}]
    assert client.list_consumable_resources(filters=wanted)["consumableResources"] == []
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "cad"}
    client.delete_consumable_resource(consumableResource=arn)
    assert client.list_consumable_resources()["consumableResources"] == []


def test_what_is_deleted_while_jobs_wait_for_it_keeps_them_waiting(
    batch: Batch, licences: Any
) -> None:
    job_id = batch.submit(consumableResourcePropertiesOverride=NEEDS)
    batch.client.delete_consumable_resource(consumableResource="licence")
    batch.turn()
    assert batch.describe(job_id)["statusReason"] == "consumable resource licence: there is none"


@pytest.mark.parametrize(
    ("operation", "given", "words"),
    [
        (
            "submit_job",
            {"consumableResourcePropertiesOverride": NEEDS},
            "got 'licence'; allowed: a",
        ),
        ("describe_consumable_resource", {"consumableResource": "none"}, "none does not exist"),
        ("create_consumable_resource", {"totalQuantity": -1}, "totalQuantity: got -1; allowed: 0"),
        ("create_consumable_resource", {"resourceType": "NON_REPLENISHABLE"}, "is counted by AWS"),
        ("list_consumable_resources", {"filters": [{"name": "X"}]}, "filters.name: got 'X'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_is_allowed(
    batch: Batch, operation: str, given: dict[str, Any], words: str
) -> None:
    plain: dict[str, Any] = {
        "submit_job": {"jobName": "a", "jobQueue": "default", "jobDefinition": "plain"},
        "create_consumable_resource": {"consumableResourceName": "new"},
    }.get(operation, {})
    with pytest.raises(ClientError, match=words):
        getattr(batch.client, operation)(**plain, **given)


def test_a_change_that_makes_no_sense_is_refused(batch: Batch, licences: Any) -> None:
    change = batch.client.update_consumable_resource
    with pytest.raises(ClientError, match="operation: got 'DOUBLE'; allowed: one of SET, ADD, REM"):
        change(consumableResource="licence", operation="DOUBLE", quantity=1)
    with pytest.raises(ClientError, match="totalQuantity: got -1; allowed: 0 or more"):
        change(consumableResource="licence", operation="REMOVE", quantity=4)


def test_an_override_of_some_nodes_keeps_what_else_is_said_of_them(
    batch: Batch, licences: Any
) -> None:
    amounts = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}]
    container = {"name": "a", "image": "mpi", "command": ["x"], "resourceRequirements": amounts}
    beside = {"instanceTypes": ["m6i.large"], "consumableResourceProperties": NEEDS}
    tasks = {"taskProperties": [{"containers": [container]}]}
    a_range = {"targetNodes": "0:1", "ecsProperties": tasks} | beside
    batch.client.register_job_definition(
        jobDefinitionName="mpi",
        type="multinode",
        nodeProperties={"numNodes": 2, "mainNode": 0, "nodeRangeProperties": [a_range]},
    )
    fewer = {"consumableResourceList": [{"consumableResource": "licence", "quantity": 1}]}
    change = {"targetNodes": "1", "consumableResourcePropertiesOverride": fewer}
    job_id = batch.submit(jobDefinition="mpi", nodeOverrides={"nodePropertyOverrides": [change]})
    batch.turn()

    first, second = batch.describe(job_id)["nodeProperties"]["nodeRangeProperties"]
    assert first["instanceTypes"] == second["instanceTypes"] == ["m6i.large"]
    assert first["consumableResourceProperties"] == NEEDS
    assert second["consumableResourceProperties"] == fewer
    assert counted(batch) == (3, 3, 0)
