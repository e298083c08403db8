"""The only feature code: what is known of a job at submission, as numbers and words.

Training and serving both come through here, so that neither can see what the other does not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from headgate.job import Job

#: Values beyond this are as good as infinite, and would overflow float32 inside LightGBM.
LARGEST = 1e30
#: Runs of digits and long hexadecimal ids in names tell one run from another, not one kind from
#: another.
VARYING = re.compile(r"[0-9a-f]{8,}|\d+", re.IGNORECASE)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
#: Metaflow's and Nextflow's own tags that say which step of which flow a job is.
STEP_TAGS = ("metaflow.flow_name", "metaflow.step_name", "nextflow.io/processName", "step")
#: Tags that are unique to a run say nothing about the next one.
RUN_TAGS = re.compile(r"(run|task|attempt|session|job)[_.-]?(id|uuid)$|\.attempt$", re.IGNORECASE)
#: Longer tokens are data, not options.
MAX_WORD = 128


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one task: numbers and words by feature name."""

    numbers: dict[str, float] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> dict[str, str]:
        """The words, and the tags that spell numbers: sample 17 is a name as well as a number."""
        spelled = {
            name: f"{value:.15g}" for name, value in self.numbers.items() if name.startswith("tag.")
        }
        return self.words | spelled

    def put(self, name: str, value: object) -> None:
        """File a value as a number where it is one, else as a word; None and NaN are left out."""
        if value is None:
            return
        number = to_number(value)
        if number is not None:
            self.numbers[name] = number
        elif isinstance(value, str) and value.strip():
            self.words[name] = value[:MAX_WORD]


def to_number(value: object) -> float | None:
    """A value (or a string that spells one) as a finite float, else None."""
    if isinstance(value, str):
        return _spelled(value)
    return _bounded(value) if isinstance(value, int | float) else None


@lru_cache(maxsize=4096)
def _spelled(text: str) -> float | None:
    """Jobs repeat each other's words."""
    bare = text.strip()  # which takes off separators that float() does not
    return None if NUMBER.fullmatch(bare) is None else _bounded(bare)


def _bounded(value: float | str) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return LARGEST if isinstance(value, int) and value > 0 else -LARGEST
    if math.isnan(number):
        return None
    return max(-LARGEST, min(LARGEST, number))


def facts(job: Job, parameters: Mapping[str, object] | None = None, attempt: int = 1) -> Facts:
    """Everything known of a task before it runs: the job with its own task parameters."""
    command = _in_command(tuple(job.command))
    known = Facts(dict(command.numbers), dict(command.words))
    for name, value in _of_job(job):
        known.put(name, value)
    own = {**job.parameters, **parameters} if parameters else job.parameters
    for name, value in own.items():
        known.put(f"parameter.{name}", value)
    for name, value in job.tags.items():
        if not _of_a_run(name):
            known.put(f"tag.{name}", value)
    if attempt > 1:
        known.numbers["attempt"] = float(attempt)
    return known


def _of_job(job: Job) -> Iterator[tuple[str, object]]:
    request = job.resources
    yield "name", name_pattern(job.name)
    yield "definition", unversioned(job.definition)
    yield "image", unversioned(job.image)
    yield "tenant", job.tenant
    yield "queue", job.queue
    yield "input.count", len(job.inputs) or None
    yield "input.bytes", job.input_bytes()
    yield "request.vcpu", request.vcpu
    yield "request.memory_mib", request.memory_mib
    yield "request.gpus", request.gpus
    yield "request.gpu_memory_mib", request.gpu_memory_mib
    yield "request.gpu_model", request.gpu_model
    yield "request.timeout_s", job.timeout_s


@lru_cache(maxsize=256)
def _in_command(command: tuple[str, ...]) -> Facts:
    """Jobs repeat each other's commands. Nobody may change what is given."""
    known = Facts()
    for name, value in _of_command(command):
        known.put(name, value)
    return known


def _of_command(command: Sequence[str]) -> Iterator[tuple[str, object]]:
    """`--flag value` and `key=value` by their name, other tokens by their place."""
    flag: str | None = None
    for place, token in enumerate(command[:64]):
        if "Ref::" in token:
            flag = None
        elif token.startswith("-") and to_number(token) is None:
            flag, _, value = token.lstrip("-").partition("=")
            yield f"command.{flag}", value or 1
        elif flag is not None:
            yield f"command.{flag}", token
            flag = None
        elif "=" in token and token.partition("=")[0].isidentifier():
            name, _, value = token.partition("=")
            yield f"command.{name}", value
        else:
            yield f"command.{place}", token


@lru_cache(maxsize=512)
def _of_a_run(tag: str) -> bool:
    return RUN_TAGS.search(tag) is not None


@lru_cache(maxsize=4096)
def name_pattern(name: str) -> str:
    """A job's name without what varies from run to run: align-0042 and align-0043 are one kind."""
    return VARYING.sub("#", name)


@lru_cache(maxsize=4096)
def unversioned(reference: str | None) -> str | None:
    """A job definition or an image without its revision, tag or digest."""
    if reference is None:
        return None
    tail = reference.rpartition("/")[2]
    return reference[: len(reference) - len(tail)] + re.split(r"[:@]", tail)[0]


def family_keys(job: Job, known: Facts) -> tuple[str, ...]:
    """The families a task belongs to, from the finest grain to the coarsest.

    Finest: one step of one definition with the same words among its parameters (algorithm=forest);
    then the step; then the definition or program; then the image.
    """
    program = known.words.get("definition") or known.words.get("image") or _program(job)
    steps = [job.tags[tag] for tag in STEP_TAGS if tag in job.tags]
    step = "/".join([program, *(steps or [name_pattern(job.name)])])
    words = sorted(
        f"{name[10:]}={word}" for name, word in known.words.items() if name.startswith("parameter.")
    )
    finest = [f"{step}?{'&'.join(words)}"] if words else []
    image = known.words.get("image")
    keys = [*finest, step, f"program:{program}", *([f"image:{image}"] if image else [])]
    return tuple(dict.fromkeys(keys))


def step_of(keys: tuple[str, ...]) -> str:
    """The family at the grain of the step, whatever the words among the parameters."""
    return keys[0].partition("?")[0]


def _program(job: Job) -> str:
    words = [token for token in job.command if not token.startswith("-")]
    return " ".join(words[:2])[:MAX_WORD] or "job"
