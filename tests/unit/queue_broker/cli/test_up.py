from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from headgate.errors import InvalidInput
from queue_broker.cli.main import app
from queue_broker.cli.up import name_of


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refusal(*words: str) -> str:
    raised = CliRunner().invoke(app, ["up", *words]).exception
    assert isinstance(raised, InvalidInput), raised
    return str(raised)


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert f"port: got '127.0.0.1:{port}'; allowed: an address that is free here" in refusal(
            "--port", str(port)
        )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--port", "70000"), "port: got 70000; allowed: less than or equal to 65535"),
        (("--host", "0.0.0.0"), "host: got 0.0.0.0; allowed: a loopback address"),  # noqa: S104
        (("--host", "no.such.host.invalid"), "host: got no.such.host.invalid"),
        (("--data-dir", "file/below", "--port", "0"), "data_dir: got 'file/below'"),
        (("--database-url", "mysql://me:secret@db/x"), "database_url: got mysql:...; allowed"),
    ],
)
def test_an_option_that_is_wrong_is_named(words: tuple[str, ...], error: str) -> None:
    Path("file").touch()

    said = refusal(*words)

    assert error in said
    assert "secret" not in said


def test_a_folder_of_another_user_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != "data")  # tests are root

    assert refusal("--data-dir", "data", "--port", "0") == (
        f"data_dir: got 'data'; allowed: a folder to write in (user {os.getuid()} may not)"
    )


@pytest.mark.parametrize("text", ["port = ", "port = 'many'", "prot = 8000", "\udcff"])
def test_a_configuration_that_is_wrong_is_refused(text: str) -> None:
    Path("headgate.toml").write_bytes(text.encode(errors="surrogateescape"))

    assert refusal().startswith(("headgate.toml: got", "port: got 'many'", "prot: got 8000"))


def test_a_variable_that_is_no_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_TIERS", "production")

    assert refusal().startswith("HEADGATE_TIERS: got something else; allowed: JSON (")


def test_the_listener_is_closed_and_nothing_is_promised_when_serving_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[socket.socket] = []

    def fail(settings: Any, listener: socket.socket, ready: Any) -> None:
        seen.append(listener)
        raise RuntimeError("it does not go")

    monkeypatch.setattr("queue_broker.main.serve", fail)

    result = CliRunner().invoke(app, ["up", "--port", "0"])

    assert isinstance(result.exception, RuntimeError)
    assert seen[0].fileno() == -1
    assert "is up at" not in result.output


def test_a_broker_on_all_addresses_is_told_by_the_machines_name() -> None:
    assert name_of("0.0.0.0") == name_of("::") == socket.gethostname()  # noqa: S104
    assert (name_of("::1"), name_of("10.0.0.7")) == ("[::1]", "10.0.0.7")
