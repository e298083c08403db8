from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headgate.errors import InvalidInput
from headgate.job import Job
from queue_broker.settings import read_settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the developer's own headgate.toml and environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("HEADGATE_PORT", "HEADGATE_HOST", "HEADGATE_DATABASE_URL", "HEADGATE_TOKENS"):
        monkeypatch.delenv(name, raising=False)


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("headgate.toml").write_text("port = 1111\nmemory_attempts = 2\n")
    monkeypatch.setenv("HEADGATE_PORT", "2222")

    settings = read_settings()

    assert (settings.port, settings.memory_attempts) == (2222, 2)
    assert settings.cycle_period_s == 0.25


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"port": 70_000}, "port: got 70000"),
        ({"default_tier": "urgent"}, "one of production, interactive, sweep"),
        ({"queues": {"q": {"tier": "urgent"}}}, "queues.q.tier: got urgent"),
        ({"tokens": {"wörd": "team"}}, "tokens: got one that no header can carry"),
        ({"host": "0.0.0.0"}, "a loopback address, as long as no tokens are set"),  # noqa: S104
        ({"colour": "red"}, "colour: got 'red'; allowed: only documented fields"),
    ],
)
def test_a_bad_setting_is_refused_by_field(given: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_settings(**given)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("HEADGATE_PROT", "HEADGATE_PROT: got no setting; allowed: HEADGATE_PORT, perhaps"),
        ("HEADGATE_DATABSE_URL", "allowed: HEADGATE_DATABASE_URL, perhaps"),
        ("HEADGATE_AWS_BUCKET", "allowed: HEADGATE_AWS, with all of [aws] as JSON"),
    ],
)
def test_a_variable_that_was_meant_to_be_a_setting_is_refused(
    name: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "8000")

    with pytest.raises(InvalidInput) as refused:
        read_settings()
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        "HEADGATE_URL",
        "HEADGATE_TOKEN",
        "HEADGATE_ALLOCATED_MEMORY_MIB",  # of the task that a broker is run in
        "HEADGATE_TASKS",
        "HEADGATE_SERVICE_HOST",  # of Kubernetes, for a service named so
        "HEADGATE_PORT_8470_TCP_ADDR",
        "headgate_port",
    ],
)
def test_variables_of_others_are_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "8471")

    assert read_settings().memory_attempts == 4


def test_a_variable_that_is_no_json_is_named_and_its_secrets_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEADGATE_TOKENS", "s3cret=team")

    with pytest.raises(InvalidInput) as refused:
        read_settings()
    assert str(refused.value).startswith("HEADGATE_TOKENS: got something else; allowed: JSON (Exp")


def test_a_broker_with_tokens_may_listen_to_the_world() -> None:
    assert read_settings(host="0.0.0.0", tokens={"secret": "team"}).host == "0.0.0.0"  # noqa: S104


@pytest.mark.parametrize(
    ("job", "array", "tier"),
    [
        ({"tier": "production"}, True, "production"),
        ({"queue": "prod-queue"}, True, "production"),
        ({"queue": "interactive"}, True, "interactive"),
        ({}, True, "sweep"),
        ({}, False, "interactive"),
    ],
)
def test_a_jobs_tier_is_its_own_or_its_queues_or_the_default(
    job: dict[str, Any], array: bool, tier: str
) -> None:
    settings = read_settings(queues={"prod-queue": {"tier": "production"}})
    given = Job(name="train", command=("train",), **job)

    assert settings.tier_of(given, settings.tiers, array=array).name == tier


def test_plain_postgresql_urls_mean_psycopg_3() -> None:
    url = "postgresql://user@host/db"

    assert read_settings(database_url=url).store_url == "postgresql+psycopg://user@host/db"


def test_minimum_shares_beyond_the_whole_fleet_are_refused() -> None:
    tiers = [{"name": name, "rank": 0, "promise_s": 1, "min_share": 0.6} for name in "ab"]
    with pytest.raises(InvalidInput, match="min_share adding up to <= 1"):
        read_settings(tiers=tiers, default_tier="a", default_sweep_tier="b")
