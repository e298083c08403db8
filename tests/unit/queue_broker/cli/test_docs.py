"""The reference pages name everything that there is, and nothing that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from headgate import Job, handles
from headgate.errors import BY_CODE
from headgate.flows import operation
from queue_broker.api import fleet, jobs, submitting, wishes
from queue_broker.cli.main import COMMANDS
from queue_broker.core.tables import Format
from queue_broker.settings import AwsSettings, Settings, read_settings

DOCS = Path(__file__).parents[4] / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text()


def test_the_cli_page_lists_the_commands_and_no_other_names() -> None:
    named = set(re.findall(r"^\| `headgate ([\w-]+)", page("reference/cli.md"), re.MULTILINE))

    assert named == COMMANDS.keys()


@pytest.mark.parametrize("field", [*Settings.model_fields, *AwsSettings.model_fields])
def test_the_page_of_settings_lists_every_one(field: str) -> None:
    assert f"`{field}`" in page("reference/settings.md")


def test_the_page_of_settings_lists_nothing_else() -> None:
    first = re.findall(r"^\| (`[^|]*`) \|", page("reference/settings.md"), re.MULTILINE)
    named = {name for cell in first for name in re.findall(r"`(\w+)`", cell)}

    assert named == Settings.model_fields.keys() | AwsSettings.model_fields.keys()


def test_the_file_of_the_page_of_settings_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = re.findall(r"```toml\n(.*?)```", page("reference/settings.md"), re.DOTALL)[0]
    Path("headgate.toml").write_text(file)

    settings = read_settings()

    assert (settings.port, settings.queues["nightly"].tier) == (8471, "production")
    assert settings.tenants[0].quota is not None


def test_the_api_page_lists_every_route() -> None:
    text = page("reference/api.md").replace("{id}", "{job_id}").replace("{i}", "{index}")
    routers = (submitting.router, jobs.router, wishes.router, fleet.router, fleet.health)
    routes = [route for one in routers for route in one.routes if isinstance(route, APIRoute)]

    for route in routes:
        last = route.path.rpartition("/")[2]
        assert route.path in text or f"`/{last}`" in text, route.path


def test_the_api_page_lists_every_error_and_format() -> None:
    text = page("reference/api.md")
    not_answered = {"broker_unreachable", "wait_timeout", "bad_artifact"}

    for code in BY_CODE.keys() - not_answered:
        assert f"`{code}`" in text
    for kind in Format:
        assert f"`{kind}`" in text


@pytest.mark.parametrize("field", list(Job.model_fields))
def test_the_sdk_page_lists_every_field_of_a_job(field: str) -> None:
    assert f"`{field}`" in page("reference/sdk.md")


def test_the_sdk_page_lists_every_operation_of_a_handle() -> None:
    text = page("reference/sdk.md")
    for kind in (handles.JobHandle, handles.SweepHandle, handles.TaskHandle):
        for name in dir(kind):
            if isinstance(getattr(kind, name), operation):
                assert f"`{name}(" in text, name
