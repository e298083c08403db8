"""`headgate stepfunctions`: state machines that go through the broker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from headgate.errors import InvalidInput
from queue_broker.cli.files import check_output
from queue_broker.cli.screen import Screen

app = typer.Typer(
    help="Point AWS Step Functions at the broker.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
#: What was changed goes beside the definition, which may be piped on.
told = Screen(stderr=True, soft_wrap=True)


@app.callback()
def root() -> None:
    """Point AWS Step Functions at the broker."""


@app.command()
def rewrite(
    file: Annotated[Path, typer.Argument(help="A state machine in Amazon States Language (JSON).")],
    queue_url: Annotated[str, typer.Option(help="The URL of the broker's SQS inbox.")],
    express: Annotated[
        bool, typer.Option("--express", help="It is an Express workflow, which cannot wait.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Else printed.")] = None,
) -> None:
    """Turn states that submit to AWS Batch into states that the broker answers.

    Step Functions calls Batch from inside AWS, so its states are rewritten: each sends its job to
    the broker's inbox and waits for its token. Metaflow's compiled flows work as they are:

        python flow.py step-functions create --only-json > flow.json
        headgate stepfunctions rewrite flow.json --queue-url https://sqs.../inbox
    """
    from queue_broker.wire.stepfunctions import rewrite as rewritten

    check_output("--output", output)
    check_queue(queue_url)
    given = read(file)
    definition, changes = rewritten(given, queue_url, express)
    text = json.dumps(definition, indent=2)
    if output is None:
        print(text)
    else:
        output.write_text(text + "\n")
    for change in changes:
        told.print(f"[bold]{change.state}[/bold]: {change.what}", markup=True)
    if definition == given:
        told.print("Nothing was changed: no state submits to AWS Batch.")
    else:
        told.print(
            "The state machine's role needs sqs:SendMessage on the inbox, not batch:SubmitJob."
        )


def check_queue(url: str) -> None:
    """A FIFO queue would want a group of every message, and the inbox is none."""
    if not url.startswith(("https://", "http://")) or url.endswith(".fifo"):
        raise InvalidInput.of("--queue-url", url, "the https:// URL of a standard SQS queue")


def read(file: Path) -> dict[str, object]:
    try:
        found = json.loads(file.read_bytes())
    except OSError as error:
        raise InvalidInput.of("FILE", str(file), f"a file that can be read ({error})") from error
    except ValueError as error:
        raise InvalidInput.of("FILE", str(file), f"a file of JSON ({error})") from error
    if not isinstance(found, dict):
        raise InvalidInput.of("FILE", str(file), "a JSON object")
    return found
