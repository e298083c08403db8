"""The environment a task sees: the machine's, what Batch would set, and the job's own on top."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from queue_broker.records import Leak

#: Libraries would otherwise start a thread for each core of the machine, in each task.
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "LOKY_MAX_CPU_COUNT",
)
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NOT_EXECUTABLE, MISSING = 126, 127


def environment(base: Mapping[str, str], leak: Leak, task: int) -> dict[str, str]:
    """The broker's own settings are kept from tasks: they may hold secrets."""
    seen = {name: value for name, value in base.items() if not name.startswith("HEADGATE_")}
    seen |= dict.fromkeys(THREADS, str(math.ceil(leak.allocation.vcpu) or 1))
    seen |= leak.job.environment
    return seen | of_batch(leak, task)


def of_batch(leak: Leak, task: int) -> dict[str, str]:
    """What AWS Batch sets in a job's container, and what was allocated."""
    index = {"AWS_BATCH_JOB_ARRAY_INDEX": str(task)} if leak.array else {}
    return index | {
        "AWS_BATCH_JOB_ID": f"{leak.job_id}:{task}" if leak.array else leak.job_id,
        "AWS_BATCH_JOB_ATTEMPT": str(leak.attempt),
        "AWS_BATCH_JQ_NAME": leak.job.queue,
        "AWS_BATCH_CE_NAME": leak.lane,
        "AWS_EXECUTION_ENV": "AWS_ECS_EC2",  # set by ECS; Metaflow's tasks fail without it
        "HEADGATE_ALLOCATED_VCPU": f"{leak.allocation.vcpu:g}",
        "HEADGATE_ALLOCATED_MEMORY_MIB": str(leak.allocation.memory_mib),
    }


def passed_on(command: Sequence[str], seen: Mapping[str, str]) -> tuple[str, ...]:
    """The command such that variables sh cannot name (spark.master) reach it: sh drops them."""
    odd = [f"{name}={value}" for name, value in seen.items() if not IDENTIFIER.fullmatch(name)]
    return ("env", *odd, *command) if odd else tuple(command)


def cannot_run(
    command: Sequence[str], seen: Mapping[str, str], work: Path
) -> tuple[int, str] | None:
    """Why the program cannot be started, with the exit code a shell gives for it; else None."""
    if not command or not command[0]:
        return MISSING, "the job names no command"
    program = command[0]
    path = seen.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    if "/" in program:
        program = str(work / program)
    if shutil.which(program, path=path):
        return None
    if "/" in program and Path(program).exists():
        return NOT_EXECUTABLE, f"{command[0]} is not an executable file"
    where = "" if "/" in program else " on the task's PATH"
    return MISSING, f"there is no program {command[0]}{where}"
