"""What the containers of a leak are told: one command and one environment for all of them. Pure.

AWS Batch gives the children of an array nothing of their own but an index, so that whatever
differs from task to task is worked out in the container, by a few lines of sh made here:

1. the index: `HEADGATE_TASKS` holds the leak's tasks as ranges, and the shim maps k to the k-th;
2. a grid's axes: computed from the index, the values listed in the program (whole numbers at even
   steps are calculated, so that an axis of a million seeds takes a few characters);
3. what does not fit in AWS Batch's 8,192 characters, as the rows of a table: a line for each task
   in an object on S3, read through a presigned URL with curl, wget or python3, whichever there is.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from headgate.job import PLACEHOLDER, Scalar, fill, show_scalar
from headgate.sweep import Grid
from queue_broker.adapters.engines.local.environment import THREADS
from queue_broker.adapters.engines.shim import (
    ATTEMPT_VARIABLE,
    SIZE_VARIABLE,
    TASKS_VARIABLE,
    show_tasks,
)
from queue_broker.core.whole import PART, under_shim
from queue_broker.records import Leak, Table, Tasks

#: AWS Batch's limit on the container overrides of one SubmitJob, which it takes and then fails.
MAX_OVERRIDES = 8_192
TOO_LONG = f"Container Overrides length must be at most {MAX_OVERRIDES}"
#: A presigned URL, with the session token of a role in it, is at most about so long.
URL_ROOM = 3_000
#: The job definition carries the shim: 4,200 of the 8,192 characters are too many for it.
SHIM_VARIABLE = "HEADGATE_SHIM"
ROWS_VARIABLE = "HEADGATE_ROWS"
ALLOCATED = ("HEADGATE_ALLOCATED_VCPU", "HEADGATE_ALLOCATED_MEMORY_MIB")
#: What a job runs without, if it has to.
SPARE = {*THREADS, *ALLOCATED}
#: Where nobody knows yet whether the image runs the shim (see `trials.py`): in a line of the shim's
#: own, which readers of logs do not see.
BEGAN = 'HEADGATE_USAGE {"began":1}'
SAY = f"echo '{BEGAN}'; "
ROOM = MAX_OVERRIDES - len(json.dumps(SAY))
LAUNCH = 'hg_s=$HEADGATE_SHIM; unset HEADGATE_SHIM; eval "$hg_s"'

PICK = 'hg_pick() { shift "$(($1 + 1))"; hg_v=$1; }'
FETCH = """\
hg_get() {
  curl -fsS --retry 3 "$HEADGATE_ROWS" || wget -qO- "$HEADGATE_ROWS" || python3 -c \
'import sys,urllib.request as u;sys.stdout.write(u.urlopen(sys.argv[1]).read().decode())' \
"$HEADGATE_ROWS"
}
hg_n='
'
hg_l=$(hg_get 2>/dev/null | sed -n "$((${AWS_BATCH_JOB_ARRAY_INDEX:-0} + 1))p")
if [ -z "$hg_l" ]; then
  echo "headgate: the parameters of this task could not be read from S3" >&2
  exit 125
fi
unset HEADGATE_ROWS
eval "$hg_l"
export AWS_BATCH_JOB_ARRAY_INDEX"""

ParametersOf = Callable[[Leak, int], Mapping[str, object]]


class NeverFits(Exception):
    """No SubmitJob can carry the leak's command, environment and parameters."""


@dataclass(frozen=True, slots=True)
class Cargo:
    """`rows`, where there are any, go to S3, and their URL into `ROWS_VARIABLE`."""

    command: tuple[str, ...]
    environment: dict[str, str]
    resources: tuple[tuple[str, str], ...] = ()
    rows: bytes | None = None

    def with_rows_at(self, url: str) -> Cargo:
        return replace(self, environment=self.environment | {ROWS_VARIABLE: url})

    def lean(self, leak: Leak) -> Cargo:
        """The same without what is there for good measure."""
        spare = SPARE - leak.job.environment.keys()
        told = {name: one for name, one in self.environment.items() if name not in spare}
        return replace(self, environment=told)

    def saying(self) -> Cargo:
        """The same, its shim saying as it begins that it does."""
        shell, flag, script, *rest = self.command
        return replace(self, command=(shell, flag, SAY + script, *rest))

    def overrides(self) -> dict[str, Any]:
        """The `containerOverrides` of SubmitJob."""
        named = [{"name": name, "value": value} for name, value in self.environment.items()]
        asked = [{"type": kind, "value": value} for kind, value in self.resources]
        told: dict[str, Any] = {"environment": named, "resourceRequirements": asked}
        return {"command": list(self.command), **told} if self.command else told

    @property
    def size(self) -> int:
        return len(json.dumps(self.overrides()))


@dataclass(frozen=True, slots=True)
class Program:
    """Lines of sh that set variables, and which variable stands for which parameter."""

    lines: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def command(self, leak: Leak, constants: Mapping[str, object]) -> tuple[str, ...]:
        """The leak's command; parameters without a variable are the same for all its tasks."""
        words = " ".join(word(token, self.variables, constants) for token in leak.job.command)
        return ("/bin/sh", "-c", "\n".join([*self.lines, f"exec {words}"]))


def load(leak: Leak, parameters: ParametersOf, says: bool = False) -> Cargo:
    """The cargo of a leak; `NeverFits` when it fits nowhere. `says`: its shim is to say that it
    runs."""
    if not under_shim(leak):
        return bare(leak, parameters)
    try:
        cargo = wrapped(leak, parameters)
    except NeverFits:  # but AWS may take it as it is
        as_it_is = None if leak.array else bare(leak, parameters).lean(leak)
        if as_it_is is None or as_it_is.size > MAX_OVERRIDES:
            raise
        return as_it_is
    return cargo.saying() if says else cargo


def wrapped(leak: Leak, parameters: ParametersOf) -> Cargo:
    cargo = inline(leak, parameters)
    if cargo is not None and cargo.size > ROOM:
        cargo = cargo.lean(leak)
    if cargo is not None and cargo.size <= ROOM:
        return cargo
    room = ROOM
    if cargo is None or len(leak.tasks) > 1:
        cargo, room = by_rows(leak, parameters), ROOM - URL_ROOM
    if cargo.size > room:
        told = f"its command and environment with the shim take {cargo.size:,} of {room:,}"
        raise NeverFits(f"{TOO_LONG}; {told}")
    return cargo


def bare(leak: Leak, parameters: ParametersOf) -> Cargo:
    """Without the shim nothing can tell the tasks apart but Batch's own index, which a child that
    goes alone does not get: it would do another's work, or nobody's. The decision sees to that, and
    what was taken before it did is refused here."""
    indexed = len(leak.tasks) > 1 and starts_at_zero(leak.tasks)
    if varying(leak, parameters) or (leak.array and not indexed):
        raise NeverFits(PART)
    given = fill(leak.job.command, parameters(leak, leak.tasks[0]))
    return Cargo(given, environment(leak, told=False), resources(leak))


def inline(leak: Leak, parameters: ParametersOf) -> Cargo | None:
    """Everything in the overrides; None where a table's rows differ."""
    given = environment(leak, told=leak.array)
    differing = varying(leak, parameters)
    if not differing:
        command = fill(leak.job.command, parameters(leak, leak.tasks[0]))
        return Cargo(launch(command), given, resources(leak))
    if not isinstance(leak.parameters, Grid):
        return None
    constants = parameters(leak, leak.tasks[0])
    command = of_grid(leak.parameters, differing).command(leak, constants)
    return Cargo(launch(command), given, resources(leak))


def by_rows(leak: Leak, parameters: ParametersOf) -> Cargo:
    """A line for each child: its task's index, and its parameters as sh assigns them."""
    names = varying(leak, parameters)
    variables = {name: f"hg_{place}" for place, name in enumerate(names)}
    command = Program((FETCH,), variables).command(leak, parameters(leak, leak.tasks[0]))
    lines = [row(task, parameters(leak, task), variables) for task in leak.tasks]
    data = "".join(lines).encode()
    return Cargo(launch(command), environment(leak, told=False), resources(leak), data)


def row(task: int, values: Mapping[str, object], variables: Mapping[str, str]) -> str:
    told = [f"{variable}={assigned(values[name])}" for name, variable in variables.items()]
    return " ".join([f"AWS_BATCH_JOB_ARRAY_INDEX={task}", *told]) + "\n"


def assigned(value: object) -> str:
    """Quoted for sh, on one line: `hg_n` holds a line break."""
    parts = show_scalar(value).split("\n")
    return '"$hg_n"'.join(shlex.quote(part) for part in parts)


def varying(leak: Leak, parameters: ParametersOf) -> list[str]:
    """The parameters in the command that may differ from task to task, by name."""
    if len(leak.tasks) == 1 or leak.parameters is Table.NONE:
        return []
    used = leak.job.placeholders()
    if isinstance(leak.parameters, Grid):
        axes = leak.parameters.axes
        return sorted(name for name in used if len(axes.get(name, ())) > 1)
    return sorted(used & parameters(leak, leak.tasks[0]).keys())


def of_grid(grid: Grid, names: list[str]) -> Program:
    """The axes from the task's index, the last one turning fastest."""
    lines, variables = [PICK], dict[str, str]()
    stride = 1
    for name, values in reversed(grid.axes.items()):
        if name in names:
            variables[name] = variable = f"hg_{len(variables)}"
            place = f"AWS_BATCH_JOB_ARRAY_INDEX / {stride} % {len(values)}"
            lines.append(axis(variable, place, values))
        stride *= len(values)
    return Program(tuple(lines), variables)


def axis(variable: str, place: str, values: tuple[Scalar, ...]) -> str:
    """One axis: calculated where its values are whole numbers at even steps, else picked."""
    step = even_step(values)
    if step is not None:
        return f"{variable}=$(({values[0]} + {step} * ({place})))"
    listed = " ".join(shlex.quote(show_scalar(value)) for value in values)
    return f"hg_pick $(({place})) {listed}; {variable}=$hg_v"


def even_step(values: tuple[Scalar, ...]) -> int | None:
    """The step of an arithmetic progression of whole numbers that sh can count (64 bits)."""
    whole = [value for value in values if type(value) is int and abs(value) < 2**62]
    if len(whole) < max(3, len(values)):
        return None
    steps = {later - earlier for earlier, later in pairwise(whole)}
    return steps.pop() if len(steps) == 1 else None


def word(token: str, variables: Mapping[str, str], constants: Mapping[str, object]) -> str:
    """A token of the command as a word of sh: text quoted, `Ref::name` as its variable or value;
    unknown names stay. In one go, so that a value which looks like a name is left alone."""
    done, at = "", 0
    for found in PLACEHOLDER.finditer(token):
        name = found.group(1)
        if variable := variables.get(name):
            shown = f'"${{{variable}}}"'
        else:
            shown = quoted(show_scalar(constants[name]) if name in constants else found.group(0))
        done += quoted(token[at : found.start()]) + shown
        at = found.end()
    return (done + quoted(token[at:])) or "''"


def quoted(text: str) -> str:
    return shlex.quote(text) if text else ""


def launch(command: tuple[str, ...]) -> tuple[str, ...]:
    return ("/bin/sh", "-c", LAUNCH, "headgate", *command)


def environment(leak: Leak, told: bool) -> dict[str, str]:
    """As on one machine: threads as cores, what was allocated, and the job's own over it.

    `told`: the leak's tasks are in it, unless Batch's own index is right already.
    """
    given = dict.fromkeys(THREADS, str(cores(leak))) | {
        ALLOCATED[0]: f"{leak.allocation.vcpu:g}",
        ALLOCATED[1]: str(leak.allocation.memory_mib),
    }
    given |= leak.job.environment
    if under_shim(leak):
        given |= of_the_whole(leak)
    if told and not (len(leak.tasks) > 1 and starts_at_zero(leak.tasks)):
        given[TASKS_VARIABLE] = show_tasks(leak.tasks)
    return given


def of_the_whole(leak: Leak) -> dict[str, str]:
    """What the shim sets right, since Batch knows no more than the leak."""
    told = {}
    if leak.array and len(leak.tasks) < leak.size:
        told[SIZE_VARIABLE] = str(leak.size)
    if leak.attempt > 1:
        told[ATTEMPT_VARIABLE] = str(leak.attempt)
    return told


def starts_at_zero(tasks: Tasks) -> bool:
    return tasks.min() == 0 and tasks.max() == len(tasks) - 1


def resources(leak: Leak) -> tuple[tuple[str, str], ...]:
    """AWS Batch takes whole vCPUs on EC2, and at least 4 MiB."""
    memory_mib = max(4, leak.allocation.memory_mib)
    asked = [("VCPU", str(cores(leak))), ("MEMORY", str(memory_mib))]
    return (*asked, ("GPU", str(leak.allocation.gpus))) if leak.allocation.gpus else tuple(asked)


def cores(leak: Leak) -> int:
    return max(1, math.ceil(leak.allocation.vcpu))
