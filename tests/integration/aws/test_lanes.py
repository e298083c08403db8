"""Lanes are made, changed and drained in AWS Batch's control plane (served by the stand-in)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import NoCredentialsError

from headgate.errors import InvalidInput, Unavailable
from headgate.resources import Resources
from packer.lanes import LaneShape, lane_shapes
from queue_broker.adapters.engines.aws.clients import Clients
from queue_broker.adapters.engines.aws.fleet import read_lanes
from queue_broker.adapters.engines.instant import InstantEngine
from queue_broker.adapters.lane_orders import (
    Carrier,
    Standing,
    Step,
    apply_steps,
    drain_steps,
    standing,
)
from queue_broker.cli.lanes import do
from queue_broker.cli.portfolio import read_portfolio
from queue_broker.cli.tables import read_types
from queue_broker.records import Lane
from queue_broker.settings import AwsSettings
from tests.integration.aws.stand_in import StandIn, quick, speak
from tests.unit.queue_broker.adapters.engines.aws.batch import error

NETWORK = {
    "subnets": ("subnet-1",),
    "security_group_ids": ("sg-1",),
    "instance_role_arn": "arn:aws:iam::123456789012:instance-profile/ecs",
}


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path) -> Iterator[AwsSettings]:
    engine = InstantEngine([Lane("one", Resources(1, 1024))], lambda: 0.0)
    stand_in = StandIn(sqlite_url, tmp_path, engine)
    yield quick(stand_in.open(), **NETWORK)
    stand_in.close()


@pytest.fixture
def clients(settings: AwsSettings) -> Clients:
    return speak(settings)


def some(n: int) -> list[LaneShape]:
    return lane_shapes(read_types(None))[:n]


def carry_out(clients: Clients, wanted: list[LaneShape], settings: AwsSettings) -> list[str]:
    steps = apply_steps(wanted, settings, standing(clients.batch))
    Carrier(clients.batch, pause=lambda _: None).carry_out(steps)
    return [step.operation for step in steps]


def test_applied_lanes_are_what_the_engine_reads(clients: Clients, settings: AwsSettings) -> None:
    wanted = some(2)

    carry_out(clients, wanted, settings)

    lanes = sorted(read_lanes(clients.batch, "headgate"), key=lambda lane: lane.shape)
    assert [lane.shape for lane in lanes] == sorted(one.kind.capacity for one in wanted)
    assert all(lane.closed is None and lane.instances > 0 for lane in lanes)
    assert {lane.arch for lane in lanes} == {one.kind.arch for one in wanted}


def test_applying_again_changes_nothing(clients: Clients, settings: AwsSettings) -> None:
    carry_out(clients, some(2), settings)

    assert carry_out(clients, some(2), settings) == []


def test_only_what_differs_is_changed(clients: Clients, settings: AwsSettings) -> None:
    carry_out(clients, some(1), settings)
    bigger = settings.model_copy(update={"lane_max_vcpus": 999})

    assert carry_out(clients, some(1), bigger) == ["update_compute_environment"]
    (lane,) = read_lanes(clients.batch, "headgate")
    assert lane.instances == 999 // lane.shape.vcpu


def test_an_environment_that_exists_is_adopted_by_tags(
    clients: Clients, settings: AwsSettings
) -> None:
    carry_out(clients, some(1), settings)
    (name,) = (lane.name for lane in read_lanes(clients.batch, "headgate"))
    arn = standing(clients.batch).environments[name]["computeEnvironmentArn"]
    clients.batch.untag_resource(resourceArn=arn, tagKeys=["headgate:stack", "headgate:shape"])
    assert read_lanes(clients.batch, "headgate") == []

    assert carry_out(clients, some(1), settings) == ["tag_resource"]
    assert [lane.name for lane in read_lanes(clients.batch, "headgate")] == [name]


def test_a_drained_lane_is_closed_and_apply_opens_it(
    clients: Clients, settings: AwsSettings
) -> None:
    carry_out(clients, some(1), settings)
    (name,) = (lane.name for lane in read_lanes(clients.batch, "headgate"))

    Carrier(clients.batch).carry_out(drain_steps(name, standing(clients.batch)))

    (closed,) = read_lanes(clients.batch, "headgate")
    assert closed.closed == "the queue is DISABLED"
    assert drain_steps(name, standing(clients.batch)) == []
    assert carry_out(clients, some(1), settings) == ["update_job_queue"]
    assert read_lanes(clients.batch, "headgate")[0].closed is None


def test_draining_what_is_not_there_names_what_is(clients: Clients) -> None:
    with pytest.raises(InvalidInput, match="LANE: got 'nope'; allowed: one of"):
        drain_steps("nope", standing(clients.batch))


def test_more_lanes_than_the_quota_are_refused(settings: AwsSettings) -> None:
    there = Standing({f"e{n}": {} for n in range(49)}, {f"q{n}": {} for n in range(49)})

    with pytest.raises(InvalidInput, match="got '49 that are there and 2 new ones'; allowed: 50"):
        apply_steps(some(2), settings, there)


@pytest.mark.parametrize("name", NETWORK)
def test_a_missing_network_setting_is_named(settings: AwsSettings, name: str) -> None:
    without = settings.model_copy(update={name: None})

    with pytest.raises(InvalidInput, match=f"aws.{name}"):
        apply_steps(some(1), without, Standing({}, {}))


def test_an_environment_that_is_invalid_says_why(clients: Clients, settings: AwsSettings) -> None:
    steps = apply_steps(some(1), settings, standing(clients.batch))

    with pytest.raises(Unavailable, match="is missing"):
        Carrier(clients.batch, wait_s=0, pause=lambda _: None).carry_out(steps[1:])


class Without:
    """A Region that lacks the instance type."""

    def create_compute_environment(self, **asked: Any) -> None:
        types = asked["computeResources"]["instanceTypes"]
        raise error("ClientException", f"Instance type {types[0]} is not offered here")


def test_an_instance_type_that_the_region_lacks_is_named(settings: AwsSettings) -> None:
    steps = apply_steps(some(1), settings, Standing({}, {}))
    lacking: Any = Without()

    with pytest.raises(Unavailable, match=r"batch:CreateComputeEnvironment: .* is not offered"):
        Carrier(lacking).carry_out(steps)


def test_a_plan_is_read_back_as_shapes(tmp_path: Path) -> None:
    lane = some(1)[0]
    file = tmp_path / "lanes.json"
    file.write_text(json.dumps([{"lanes": {lane.kind.key: list(lane.members)}}]))

    assert read_portfolio(file, None, read_types(None)) == [lane]
    with pytest.raises(InvalidInput, match="--lanes: got 7; allowed: one of 1"):
        read_portfolio(file, 7, read_types(None))


@pytest.mark.parametrize("text", ["", "{}x", "[1]", '[{"lanes": {"no.such": ["no.such"]}}]'])
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "lanes.json"
    file.write_text(text)

    with pytest.raises(InvalidInput, match="FILE"):
        read_portfolio(file, None, read_types(None))


class Refusing:
    """AWS Batch that makes an environment and refuses its queue."""

    def create_compute_environment(self, **arguments: object) -> None:
        pass

    def create_job_queue(self, **arguments: object) -> None:
        raise NoCredentialsError


def test_only_what_was_done_is_told_when_a_call_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    steps = [
        Step("create_compute_environment", {}, "+ a lane"),
        Step("create_job_queue", {}, "+ its queue"),
    ]
    with pytest.raises(Unavailable):
        do(cast(Any, Refusing()), steps, dry_run=False)
    assert capsys.readouterr().out == "+ a lane\n"
