"""The options that describe a job, shared by `submit`, `sweep` and `estimate`."""

from __future__ import annotations

import functools
import inspect
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

import typer

from headgate.errors import InvalidInput
from headgate.job import Job
from headgate.validation import parse

P = ParamSpec("P")
T = TypeVar("T")

MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([MGT]?)(?:i?B)?", re.IGNORECASE)
MIB = {"": 1, "M": 1, "G": 1024, "T": 1024**2}

WHAT, NEED, WHERE, FATE = "What to run", "What it needs", "Where it goes", "How it is tried"


def option(words: str, panel: str, *names: str) -> Any:
    return typer.Option(*names, help=words, rich_help_panel=panel)


def job_of(
    *,
    command: Annotated[
        list[str] | None, typer.Argument(help="The command and its arguments, after `--`.")
    ] = None,
    name: Annotated[str | None, option("Default: the program's name.", WHAT)] = None,
    file: Annotated[
        Path | None, option("A job as JSON; `-` is stdin. Options go over it.", WHAT)
    ] = None,
    image: Annotated[str | None, option("Container image.", WHAT)] = None,
    definition: Annotated[str | None, option("A job definition that is known.", WHAT)] = None,
    env: Annotated[list[str] | None, option("NAME=VALUE; repeat for more.", WHAT)] = None,
    param: Annotated[
        list[str] | None, option("NAME=VALUE for `Ref::NAME` in the command; repeat.", WHAT)
    ] = None,
    input_: Annotated[
        list[str] | None,
        option("URI or URI=BYTES that it reads; a local file's size is found.", NEED, "--input"),
    ] = None,
    memory: Annotated[str | None, option("For example 512M, 4G; MiB without a unit.", NEED)] = None,
    vcpu: Annotated[float | None, option("vCPUs.", NEED)] = None,
    gpus: Annotated[int | None, option("Whole GPUs.", NEED)] = None,
    gpu_memory: Annotated[str | None, option("Of each GPU, as for --memory.", NEED)] = None,
    gpu_model: Annotated[str | None, option("For example T4, A10G, H100.", NEED)] = None,
    queue: Annotated[str | None, option("Queue; it says tier and tenant.", WHERE)] = None,
    tier: Annotated[str | None, option("Class of urgency, such as production.", WHERE)] = None,
    tenant: Annotated[str | None, option("Who pays.", WHERE)] = None,
    priority: Annotated[int | None, option("0 to 9999; higher goes first.", WHERE)] = None,
    tag: Annotated[list[str] | None, option("NAME=VALUE; repeat for more.", WHERE)] = None,
    after: Annotated[
        list[str] | None, option("A job that must succeed first; repeat.", FATE)
    ] = None,
    attempts: Annotated[int | None, option("1 to 10.", FATE)] = None,
    timeout: Annotated[
        int | None, option("Seconds an attempt may take (60 or more).", FATE)
    ] = None,
) -> Job:
    """The job that the options describe; `InvalidInput` names the option that is wrong."""
    given = {
        "command": command,
        "image": image,
        "definition": definition,
        "environment": pairs("--env", env),
        "parameters": literals(pairs("--param", param)),
        "inputs": [read_input(one) for one in input_ or ()],
        "resources": present(
            memory_mib=memory_mib("--memory", memory),
            vcpu=vcpu,
            gpus=gpus,
            gpu_memory_mib=memory_mib("--gpu-memory", gpu_memory),
            gpu_model=gpu_model,
        ),
        "queue": queue,
        "tier": tier,
        "tenant": tenant,
        "priority": priority,
        "tags": pairs("--tag", tag),
        "depends_on": [{"job_id": one} for one in after or ()],
        "retry_strategy": present(attempts=attempts),
        "timeout_s": timeout,
    }
    fields = read_job(file) | present(**given)
    fields["name"] = name or fields.get("name") or name_of(fields)
    return parse(Job, fields)


def takes_job(command: Callable[Concatenate[Job, P], T]) -> Callable[..., T]:
    """Let a command take `job_of`'s options, and give it the job that they describe."""
    options = inspect.signature(job_of, eval_str=True).parameters
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

    @functools.wraps(command)
    def run(**given: Any) -> T:
        job = job_of(**{name: given.pop(name) for name in options})
        return command(job, **given)  # type: ignore[call-arg]

    parameters = [one.replace(kind=one.KEYWORD_ONLY) for one in (*options.values(), *own)]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def read_job(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
        job = json.loads(text)
    except (OSError, ValueError) as error:
        raise InvalidInput.of("--file", str(file), f"a job as JSON ({error})") from error
    if not isinstance(job, dict):
        raise InvalidInput.of("--file", job, "a job as a JSON object")
    return job


def name_of(fields: dict[str, Any]) -> str:
    """A name made of what is run, since a job must have one."""
    words = fields.get("command") or [fields.get("definition") or "job"]
    scripts = [word for word in words if word.endswith((".py", ".sh", ".R", ".jl"))]
    stem = Path(scripts[0] if scripts else words[0]).stem
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:128] or "job"


def memory_mib(name: str, text: str | None) -> int | None:
    """MiB of `512M`, `4G`, `4GiB` or a bare number."""
    if text is None:
        return None
    match = MEMORY.fullmatch(text.strip())
    if match is None:
        raise InvalidInput.of(name, text, "a number of MiB, or one with M, G or T")
    return round(float(match.group(1)) * MIB[match.group(2).upper()])


def pairs(option_name: str, given: list[str] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not name or not equals:
            raise InvalidInput.of(option_name, one, "NAME=VALUE")
        found[name] = value
    return found


def literals(texts: dict[str, str]) -> dict[str, Any]:
    return {name: literal(text) for name, text in texts.items()}


def literal(text: str) -> Any:
    """Numbers, true, false and null as JSON has them; everything else is text."""
    try:
        value = json.loads(text, parse_constant=str)
    except ValueError:
        return text
    # 007 is no JSON, and 1e400 is no number that anything can hold.
    return value if value is None or isinstance(value, (bool, int, float)) else text


def read_input(text: str) -> dict[str, Any]:
    uri, equals, size = text.rpartition("=")
    if equals and size.isdecimal():
        return {"uri": uri, "size_bytes": int(size)}
    path = Path(text)
    return {"uri": text, "size_bytes": path.stat().st_size} if path.is_file() else {"uri": text}


def present(**fields: Any) -> dict[str, Any]:
    """What was given; empty lists and objects were not."""
    return {name: value for name, value in fields.items() if value not in (None, [], {}, ())}
