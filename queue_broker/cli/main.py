"""`headgate`: the root of the command line. A command's module is imported when it is called.

So `headgate --help` is quick, and the client's commands work where only the thin SDK is installed.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from textwrap import dedent
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from headgate.client import Client
    from headgate.errors import HeadgateError

#: What scripts may tell apart. A job that failed is 1, as is whatever else did not work.
WRONG, TIMED_OUT, INTERRUPTED = 2, 124, 130
#: What the extra `aws` brings.
AWS = ("boto3", "botocore")
OURS = ("headgate", "predictor", "packer", "queue_broker", "training")


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: the module beside this one that has it (as `app`, or as a function), and what
    `headgate --help` says of it."""

    module: str
    help: str
    panel: str


#: How an example begins: indented, unless all that follows the first line is.
EXAMPLE = ("    ", "headgate ")
HELP = {"help_option_names": ["-h", "--help"]}
JOBS, BROKER = "Jobs", "Broker"
COMMANDS = {
    "submit": Entry("submitting", "Submit one job.", JOBS),
    "sweep": Entry("submitting", "Submit many tasks from one template.", JOBS),
    "estimate": Entry("submitting", "Say what a job would get, and submit nothing.", JOBS),
    "status": Entry("jobs", "Show a job, or one task of a sweep.", JOBS),
    "tasks": Entry("jobs", "List the tasks of a sweep, such as those that failed.", JOBS),
    "list": Entry("jobs", "List jobs, newest first.", JOBS),
    "logs": Entry("jobs", "Print a job's output.", JOBS),
    "wait": Entry("jobs", "Wait for a job; the exit code says how it ended.", JOBS),
    "cancel": Entry("jobs", "Cancel a job, or some of its tasks.", JOBS),
    "retry": Entry("jobs", "Try failed tasks again.", JOBS),
    "queue": Entry("jobs", "Show what waits, and why.", JOBS),
    "up": Entry("up", "Start a broker on this machine.", BROKER),
    "tenants": Entry("tenants", "Set tenants, tiers and windows; see who changed what.", BROKER),
    "simulate": Entry("simulate", "Replay a trace in virtual time.", BROKER),
    "what-if": Entry("what_if", "Compare two settings on the same arrivals.", BROKER),
    "train": Entry("train", "Learn from the history, and publish what is better.", BROKER),
    "doctor": Entry("doctor", "Check a live AWS account.", BROKER),
    "demo": Entry("demo", "Show the whole path on this machine.", BROKER),
    "keys": Entry("keys", "Access keys for clients that speak AWS Batch's protocol.", BROKER),
    "stepfunctions": Entry("stepfunctions", "Point AWS Step Functions at the broker.", BROKER),
    "history": Entry(
        "history", "Import what was measured before; export what came of late.", BROKER
    ),
    "pack": Entry("pack", "Pack demand onto instance types, and prove how good it is.", BROKER),
    "lanes": Entry("lanes", "Plan and create the lanes in AWS Batch.", BROKER),
    "catalogue": Entry("catalogue", "Show and refresh the instance types.", BROKER),
}


def commands() -> list[str]:
    """Those that this installation has."""
    return [name for name, one in COMMANDS.items() if find_spec(module(one)) is not None]


def module(entry: Entry) -> str:
    return f"queue_broker.cli.{entry.module}"


def load(name: str) -> Any:
    """The command itself."""
    found = import_module(module(COMMANDS[name]))
    own = getattr(found, "app", None)
    if own is None:
        own = typer.Typer(add_completion=False, rich_markup_mode="markdown")
        own.command(name, cls=Called)(getattr(found, name if hasattr(found, name) else f"{name}_"))
    command = typer.main.get_command(own)
    for one in (command, *getattr(command, "commands", {}).values()):
        one.help = fenced(one.help)
        one.context_settings |= HELP
    return command


def fenced(help_text: str | None) -> str | None:
    """Examples put in fences: Typer takes indents away, and would join their lines."""
    if help_text is None:
        return None
    paragraphs = help_text.split("\n\n")
    return "\n\n".join(f"```\n{dedent(p)}\n```" if p.startswith(EXAMPLE) else p for p in paragraphs)


class Called(TyperCommand):
    """A command. Where it runs a program, that one's options are no options of ours."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = list(args)  # which are used up
        try:
            return super().parse_args(ctx, args)
        except Exception as error:  # Typer has no public name for an option that is none
            words = str(error)
            runs = any(one.name == "command" for one in self.params)
            if runs and "--" not in given and words.startswith("No such option"):
                ctx.fail(
                    f"{words}. A program and its options go behind --: headgate {self.name} -- ..."
                )
            raise


class LazyGroup(TyperGroup):
    """Lists commands by their entries, and loads the one that is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.help = fenced(self.help)

    def list_commands(self, ctx: Any) -> list[str]:
        return commands()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in commands():
            return None
        entry = COMMANDS[cmd_name]
        return TyperCommand(cmd_name, help=entry.help, rich_help_panel=entry.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        near = get_close_matches(args[0], commands(), n=1)
        if near and args[0] not in near:
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{near[0]}'?")
        name, _, rest = super().resolve_command(ctx, args)
        return name, load(str(name)), rest

    def invoke(self, ctx: Any) -> Any:
        """Ctrl-C is not an error; what it does not end is said where it is waited for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("stopped by Ctrl-C", err=True)
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings=HELP,
)


def show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("headgate"))
        raise typer.Exit


@app.callback()
def root(
    url: Annotated[
        str | None, typer.Option(help="The broker; else HEADGATE_URL, else http://127.0.0.1:8470.")
    ] = None,
    token: Annotated[str | None, typer.Option(help="Else HEADGATE_TOKEN.")] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print it.", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """Submits jobs to a Headgate broker, which predicts what they need, packs them, and leaks
    them into AWS Batch; and runs the broker itself.

    A first job, in two terminals:

        headgate up
        headgate submit --wait -- python "$PWD/train.py" --depth 7
    """
    del version
    # Where the SDK looks, so that every command and whatever it starts speak to one broker.
    if url is not None:
        os.environ["HEADGATE_URL"] = url
    if token is not None:
        os.environ["HEADGATE_TOKEN"] = token


def client() -> Client:
    """The broker's client, as the options and the environment name it."""
    from headgate.default import client as default_client

    return default_client()


def main() -> None:
    """Run; errors that were foreseen are one line and an exit code, and no traceback."""
    from headgate.errors import HeadgateError

    try:
        app()
    except KeyboardInterrupt:  # before or after a command
        sys.exit(INTERRUPTED)
    except HeadgateError as error:
        say(str(error))
        sys.exit(exit_code(error))
    except ModuleNotFoundError as error:
        lacks = (error.name or "").partition(".")[0]
        if lacks in OURS:
            raise
        extras = "broker,aws" if lacks in AWS else "broker"
        say(f"this command needs {error.name}: pip install 'headgate[{extras}]'")
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that cannot be written, no terminal any more
        say(str(error))
        leave(1)


def leave(code: int) -> NoReturn:
    """End without writing what was held back for an output that cannot take it: Python would
    complain of that in its own words."""
    with suppress(OSError):
        sys.stdout.flush()
        sys.exit(code)
    sys.stderr.flush()
    os._exit(code)


def exit_code(error: HeadgateError) -> int:
    """An id that no job has and an address where no broker is are wrong input too: `wait` says
    with 1 that a job failed."""
    from headgate.errors import BrokerUnreachable, InvalidInput, NotFound, WaitTimeout

    if isinstance(error, WaitTimeout):
        return TIMED_OUT
    return WRONG if isinstance(error, (InvalidInput, NotFound, BrokerUnreachable)) else 1


def say(words: str) -> None:
    """An error, in colour where there is any."""
    words = words.replace("\n", "\n       ")
    coloured = False if os.environ.get("NO_COLOR") else None
    typer.secho(f"error: {words}", fg="red", err=True, color=coloured)


if __name__ == "__main__":
    main()
