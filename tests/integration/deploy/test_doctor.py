"""`headgate doctor` on the stack that the template makes, and on what goes wrong with one."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from queue_broker.adapters.doctor import examine as examining
from queue_broker.adapters.doctor.examine import examine
from queue_broker.adapters.doctor.findings import Account, Finding, Level
from queue_broker.cli import doctor as command
from queue_broker.cli.doctor import show
from queue_broker.settings import Settings
from tests.integration.deploy.conftest import Made
from tests.integration.deploy.iam import Simulation
from tests.integration.deploy.test_policies import attached
from tests.integration.deploy.test_stack import settings_of


class Client:
    """boto3's client, of which some operations are answered by the test."""

    def __init__(self, real: Any, **answers: Any) -> None:
        self._real, self._answers = real, answers

    def __getattr__(self, operation: str) -> Any:
        if operation not in self._answers:
            return getattr(self._real, operation)
        return lambda **_: self._answer(self._answers[operation])

    def _answer(self, answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer


def refused(code: str = "AccessDeniedException", operation: str = "Some") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


@pytest.fixture(scope="module")
def tagged(whole: Made) -> None:
    """moto's CloudFormation drops the tags of compute environments."""
    for logical in ("OnDemandEnvironment", "SpotEnvironment"):
        tags = whole.resolved.resources[logical]["Properties"]["Tags"]
        assert tags["headgate:stack"] == {"Ref": "AWS::StackName"}
        given = tags | {"headgate:stack": "headgate"}
        whole.client("batch").tag_resource(resourceArn=whole.ids[logical], tags=given)


@pytest.fixture
def account(whole: Made, tagged: None, monkeypatch: pytest.MonkeyPatch) -> Account:
    made = Account(settings_of(whole, monkeypatch), whole.session)
    made._clients["iam"] = Simulation(attached(whole, "BrokerRole"))
    return made


def answering(account: Account, service: str, **answers: Any) -> None:
    account._clients[service] = Client(account.client(service), **answers)


def change(account: Account, **changes: Any) -> None:
    aws = account.settings.aws.model_copy(update=changes)
    account.settings = account.settings.model_copy(update={"aws": aws})


def of(account: Account, check: str) -> list[Finding]:
    return [one for one in examine(account) if one.check == check]


def only(account: Account, check: str, level: Level) -> Finding:
    (found,) = [one for one in of(account, check) if one.level is level]
    return found


def test_a_fresh_stack_has_no_failures(account: Account) -> None:
    found = examine(account)

    assert [one for one in found if one.level is Level.FAILURE] == []
    assert {one.check for one in found if one.level is Level.OK} >= {
        *("credentials", "clock", "permissions", "lanes", "limits"),
        *("instance types", "bucket", "events", "inbox", "lag"),
    }


def test_what_is_wrong_always_comes_with_what_mends_it(account: Account) -> None:
    change(account, stack="nobody", bucket=None, inbox_queue_url=None, events_queue_url=None)

    wrong = [one for one in examine(account) if one.level is not Level.OK]

    assert len(wrong) > 3
    assert all(one.mend for one in wrong)


def test_a_lacking_permission_is_named_with_its_policy_line(whole: Made, account: Account) -> None:
    kept = [one for one in attached(whole, "BrokerRole") if one["Sid"] != "SubmitToOwnLanes"]
    account._clients["iam"] = Simulation(kept)

    found = only(account, "permissions", Level.FAILURE)

    assert "batch:SubmitJob" in found.says
    line = json.loads(found.mend.removeprefix("add "))
    assert line["Action"] == ["batch:SubmitJob"]
    assert line["Resource"] == [
        "arn:aws:batch:us-east-1:123456789012:job-queue/headgate-*",
        "arn:aws:batch:us-east-1:123456789012:job-definition/headgate-*",
    ]
    account._clients["iam"] = Simulation([*kept, line])
    assert [one.level for one in of(account, "permissions")] == [Level.OK]


def test_a_call_that_is_refused_names_its_operation_and_stops_no_other_check(
    account: Account,
) -> None:
    answering(account, "s3", list_objects_v2=refused("AccessDenied"))

    found = only(account, "bucket", Level.FAILURE)

    assert "s3:ListBucket is not permitted" in found.says
    assert '"Action": "s3:ListBucket"' in found.says
    assert of(account, "events")


def test_expired_credentials_are_said_once(account: Account) -> None:
    answering(account, "sts", get_caller_identity=refused("ExpiredToken"))

    (found,) = examine(account)

    assert (found.check, found.level) == ("credentials", Level.FAILURE)
    assert "expired" in found.says


def test_another_account_than_the_settings_name_is_a_failure(account: Account) -> None:
    account.settings = account.settings.model_copy(update={"aws_account": "000000000000"})

    assert 'aws_account = "123456789012"' in only(account, "credentials", Level.FAILURE).mend


@pytest.mark.parametrize(
    ("off_s", "level"), [(10, Level.OK), (-200, Level.WARNING), (400, Level.FAILURE)]
)
def test_a_clock_that_is_off_is_told_by_how_much(
    account: Account, off_s: float, level: Level
) -> None:
    account.clock = lambda: time.time() + off_s

    (found,) = of(account, "clock")

    assert found.level is level
    assert ("ahead of" in found.says) == (off_s > 0)


def test_a_queue_deleted_under_its_lane_is_told(whole: Made, account: Account) -> None:
    real = account.client("batch")
    queues = real.describe_job_queues()["jobQueues"]
    kept = [one for one in queues if "spot" not in one["jobQueueName"]]

    class Pages:
        def paginate(self) -> list[dict[str, Any]]:
            return [{"jobQueues": kept}]

    class Some(Client):
        def get_paginator(self, operation: str) -> Any:
            some = operation == "describe_job_queues"
            return Pages() if some else real.get_paginator(operation)

    account._clients["batch"] = Some(real)

    assert only(account, "lanes", Level.WARNING).says == "headgate-m6a-4xlarge-spot has no queue"
    assert only(account, "lanes", Level.OK).says == "1 of 2 are open"


def test_without_lanes_no_job_runs(account: Account) -> None:
    change(account, stack="other")

    assert "headgate lanes apply" in only(account, "lanes", Level.FAILURE).mend


def test_a_type_that_the_region_has_not_is_named(account: Account) -> None:
    some = [{"InstanceType": f"{family}.4xlarge"} for family in ("m5", "m6a", "m6i")]
    answering(account, "ec2", describe_instance_type_offerings={"InstanceTypeOfferings": some})

    found = only(account, "instance types", Level.WARNING)

    assert found.says == "not offered in us-east-1: m7i.4xlarge"


def test_lanes_that_may_outgrow_the_quota_are_told(account: Account) -> None:
    answering(account, "service-quotas", get_service_quota={"Quota": {"Value": 64.0}})

    outgrown = [one for one in of(account, "limits") if one.level is Level.WARNING]

    assert len(outgrown) == 2
    assert "256 on-demand vCPUs; EC2's quota is 64" in outgrown[0].says


def test_messages_that_lag_and_those_set_aside_are_told(whole: Made, account: Account) -> None:
    now = datetime.now().astimezone()
    points = [{"Timestamp": now, "Maximum": 900.0}]
    answering(account, "cloudwatch", get_metric_statistics={"Datapoints": points})
    dead = str(account.aws.dead_letter_url)
    whole.client("sqs").send_message(QueueUrl=dead, MessageBody="no job")

    found = examine(account)

    late = [one for one in found if (one.check, one.level) == ("lag", Level.WARNING)]
    aside = [one for one in found if (one.check, one.level) == ("inbox", Level.WARNING)]
    assert len(late) == 2
    assert "900 s" in late[0].says
    assert "1 messages" in aside[0].says
    whole.client("sqs").purge_queue(QueueUrl=dead)


def test_events_that_no_rule_sends_are_told(account: Account) -> None:
    answering(account, "events", list_rule_names_by_target={"RuleNames": []})

    assert "aws.batch" in only(account, "events", Level.WARNING).mend


def test_a_log_group_of_ones_own_must_be_there(account: Account) -> None:
    change(account, log_group="/ours")

    assert only(account, "log", Level.FAILURE).says == "there is no /ours"


def test_rights_that_may_not_be_simulated_are_a_warning(account: Account) -> None:
    answering(account, "iam", simulate_principal_policy=refused())

    found = only(account, "permissions", Level.WARNING)

    assert "iam:SimulatePrincipalPolicy" in found.mend


def run(monkeypatch: pytest.MonkeyPatch, found: list[Finding], *options: str) -> Any:
    import typer

    monkeypatch.setattr(examining, "examine", lambda account: found)
    monkeypatch.setattr(boto3, "Session", lambda **_: None)
    app = typer.Typer()
    app.command()(command.doctor)
    return CliRunner().invoke(app, list(options))


FOUND = Finding("lanes", Level.FAILURE, "no lane is open [bold]", "headgate lanes apply")


def test_the_command_fails_when_jobs_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, [FOUND], "--json")

    assert done.exit_code == 1
    assert json.loads(done.stdout)[0]["check"] == "lanes"


def test_warnings_alone_are_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, [replace(FOUND, level=Level.WARNING)], "--json")

    assert done.exit_code == 0


def test_people_see_what_mends_it(capsys: pytest.CaptureFixture[str]) -> None:
    show([FOUND])

    seen = capsys.readouterr().out
    assert "no lane is open [bold]" in seen
    assert "→ headgate lanes apply" in seen


def test_the_doctor_needs_no_settings_beyond_the_account(whole: Made) -> None:
    account = Account(Settings(aws_account="123456789012"), whole.session)
    account._clients["iam"] = Simulation([])

    assert {one.check for one in examine(account)} >= {"lanes", "bucket", "log", "events"}
