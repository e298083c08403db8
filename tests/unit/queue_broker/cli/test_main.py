from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headgate.errors import (
    BrokerUnreachable,
    HeadgateError,
    InvalidInput,
    NotFound,
    WaitTimeout,
)
from queue_broker.cli import main as cli
from queue_broker.cli.main import COMMANDS, app, commands, fenced, load, module

#: Modules that `headgate --help`, and a client's command, must do without.
HEAVY = "{'httpx', 'pydantic', 'pandas', 'pyarrow', 'fastapi', 'sqlalchemy', 'lightgbm', 'ortools'}"


def loaded(statements: str, heavy: str) -> None:
    """Fail if these statements load one of the heavy modules, in a process of their own."""
    check = f"""
import sys
HEAVY = {HEAVY}
{statements}
assert not {heavy} & sys.modules.keys(), {heavy} & sys.modules.keys()
"""
    command = [sys.executable, "-c", check]
    subprocess.run(command, check=True, timeout=30, stdout=subprocess.DEVNULL)


def test_help_loads_nothing_heavy() -> None:
    loaded(
        "from typer.testing import CliRunner\n"
        "from queue_broker.cli.main import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0",
        "HEAVY",
    )


def test_the_clients_commands_load_what_the_thin_sdk_has() -> None:
    clients = [name for name, one in COMMANDS.items() if one.panel == "Jobs"]

    loaded(
        f"from queue_broker.cli.main import load\nfor name in {clients}:\n    load(name)",
        "(HEAVY - {'httpx', 'pydantic'})",
    )


def test_every_command_that_is_listed_can_be_loaded() -> None:
    for name in commands():
        assert load(name).help


def test_help_lists_the_commands_with_what_they_do() -> None:
    text = CliRunner().invoke(app, ["--help"]).output

    for name in commands():
        assert name in text
    assert "Submit one job." in text


def test_examples_keep_their_lines() -> None:
    assert fenced("Do it.\n\n    one\n    two\n\nDone.") == "Do it.\n\n```\none\ntwo\n```\n\nDone."
    assert fenced("Do it.\n\nheadgate it") == "Do it.\n\n```\nheadgate it\n```"
    assert fenced(None) is None


def test_a_command_that_is_none_is_refused() -> None:
    result = CliRunner().invoke(app, ["sbumit"])

    assert result.exit_code == 2
    assert "No such command 'sbumit'. Did you mean 'submit'?" in " ".join(result.output.split())
    assert "No such command 'zzz'." in CliRunner().invoke(app, ["zzz"]).output


@pytest.mark.parametrize("name", ["submit", "sweep", "estimate"])
def test_a_programs_own_option_before_the_dashes_is_met_with_them(name: str) -> None:
    result = CliRunner().invoke(app, [name, "ls", "-la"])

    assert result.exit_code == 2
    said = " ".join(result.output.replace("│", "").split())
    assert f"No such option: -l. A program and its options go behind --: headgate {name} --" in said


def test_an_option_that_is_none_is_told_as_it_is_where_the_dashes_are() -> None:
    result = CliRunner().invoke(app, ["submit", "--memroy", "4G", "--", "ls", "-la"])

    assert "behind --" not in result.output


@pytest.mark.parametrize("words", [[], ["submit"], ["keys"], ["keys", "list"]])
def test_help_has_its_short_name_too(words: list[str]) -> None:
    result = CliRunner().invoke(app, [*words, "-h"])

    assert result.exit_code == 0
    assert "Usage" in result.output


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """What the command raises."""
    raised: list[Exception] = []

    def run() -> None:
        raise raised[0]

    monkeypatch.setattr(cli, "app", run)
    return raised


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (HeadgateError("the broker failed"), 1, "error: the broker failed"),
        (InvalidInput.of("--memory", "4Q", "MiB"), 2, "error: --memory: got '4Q'; allowed: MiB"),
        (NotFound("there is no job x"), 2, "error: there is no job x"),
        (BrokerUnreachable("no broker answers"), 2, "error: no broker answers"),
        (WaitTimeout("x goes on"), 124, "error: x goes on"),
        (OSError(28, "No space left on device"), 1, "error: [Errno 28] No space left on device"),
        (
            ModuleNotFoundError("No module named 'lightgbm'", name="lightgbm"),
            1,
            "error: this command needs lightgbm: pip install 'headgate[broker]'",
        ),
        (
            ModuleNotFoundError("No module named 'boto3'", name="boto3"),
            1,
            "error: this command needs boto3: pip install 'headgate[broker,aws]'",
        ),
    ],
)
def test_a_foreseen_error_is_a_line_and_an_exit_code(
    fails: list[Exception],
    error: Exception,
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fails.append(error)

    with pytest.raises(SystemExit) as caught:
        cli.main()

    assert caught.value.code == code
    assert words in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this machine")
def test_an_output_that_takes_nothing_is_a_line_and_no_traceback() -> None:
    command = [sys.executable, "-m", "queue_broker.cli.main", "catalogue", "show"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )

    assert (done.returncode, done.stderr) == (1, "error: [Errno 28] No space left on device\n")


def test_ctrl_c_in_any_command_leaves_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*filters: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("headgate.client.Client.jobs", interrupted)

    result = CliRunner().invoke(app, ["list"])

    assert (result.exit_code, result.stderr) == (130, "stopped by Ctrl-C\n")


def test_no_colour_is_asked_for_by_its_variable(
    fails: list[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fails.append(HeadgateError("it failed"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)

    with pytest.raises(SystemExit):
        cli.main()

    assert capsys.readouterr().err == "error: it failed\n"


def test_a_module_of_ours_that_is_missing_is_a_bug(fails: list[Exception]) -> None:
    fails.append(ModuleNotFoundError("No module named 'headgate.x'", name="headgate.x"))

    with pytest.raises(ModuleNotFoundError):
        cli.main()


def test_the_options_say_where_the_broker_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_URL", "http://first")
    monkeypatch.setenv("HEADGATE_TOKEN", "first")
    asked: list[tuple[str, str]] = []

    def listing(**filters: object) -> None:
        asked.append((cli.client().url, cli.client()._http.headers["authorization"]))
        raise InvalidInput("far enough")

    monkeypatch.setattr("headgate.client.Client.jobs", lambda self, **filters: listing(**filters))

    CliRunner().invoke(app, ["--url", "http://second:1", "--token", "second", "list"])

    assert asked == [("http://second:1", "Bearer second")]


def test_the_version_is_the_packages() -> None:
    from importlib.metadata import version

    assert CliRunner().invoke(app, ["--version"]).output.strip() == version("headgate")


def test_a_commands_function_is_documented_where_the_table_says() -> None:
    for name in commands():
        assert inspect.getdoc(import_module(module(COMMANDS[name])))
