from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module

import pytest
from typer.testing import CliRunner

from headgate.errors import HeadgateError, InvalidInput
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


def examples(name: str) -> list[str]:
    return [
        line.strip() for line in load(name).help.splitlines() if line.strip().startswith("head")
    ]


@pytest.mark.parametrize("name", [n for n, one in COMMANDS.items() if one.panel == "Jobs"])
def test_every_help_teaches_by_examples_that_parse(name: str) -> None:
    import shlex

    shown = examples(name)

    assert shown
    for line in shown:
        words = shlex.split(line.partition(" | ")[0].partition(" && ")[0])
        assert words[:2] == ["headgate", name]
        load(name).make_context(name, words[2:])


def test_examples_keep_their_lines() -> None:
    assert fenced("Do it.\n\n    one\n    two\n\nDone.") == "Do it.\n\n```\none\ntwo\n```\n\nDone."
    assert fenced(None) is None


def test_a_command_that_is_none_is_refused() -> None:
    result = CliRunner().invoke(app, ["sbumit"])

    assert result.exit_code == 2
    assert "No such command 'sbumit'" in result.output


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
        (
            ModuleNotFoundError("No module named 'lightgbm'", name="lightgbm"),
            1,
            "error: this command needs lightgbm: pip install 'headgate[broker]'",
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
