"""The environment a task sees: the machine's, what Batch would set, and the job's own on top."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from queue_broker.nodes import Nodes
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
#: Where all nodes of a multi-node job are.
HERE = "127.0.0.1"
NOT_EXECUTABLE, MISSING = 126, 127


def environment(base: Mapping[str, str], leak: Leak, task: int) -> dict[str, str]:
    """The broker's own settings are kept from tasks: they may hold secrets."""
    return of_job(base, leak.job.environment, leak.allocation.vcpu) | of_batch(leak, task)


def environment_of_node(
    base: Mapping[str, str], leak: Leak, nodes: Nodes, index: int
) -> dict[str, str]:
    """The same for a node of a multi-node job; its nodes have the cores among them."""
    own = nodes.range_of(index).environment
    seen = of_job(base, own, leak.allocation.vcpu / nodes.count) | of_batch(leak, 0)
    return seen | of_node(leak, nodes, index)


def of_job(base: Mapping[str, str], own: Mapping[str, str], vcpu: float) -> dict[str, str]:
    """The machine's, and the job's own on top."""
    seen = {name: value for name, value in base.items() if not name.startswith("HEADGATE_")}
    return seen | dict.fromkeys(THREADS, str(math.ceil(vcpu) or 1)) | dict(own)


def of_batch(leak: Leak, task: int) -> dict[str, str]:
    """What AWS Batch sets in a job's container, and what was allocated."""
    array = {"AWS_BATCH_JOB_ARRAY_INDEX": task, "AWS_BATCH_JOB_ARRAY_SIZE": leak.size}
    told = {name: str(value) for name, value in array.items()} if leak.array else {}
    return told | {
        "AWS_BATCH_JOB_ID": f"{leak.job_id}:{task}" if leak.array else leak.job_id,
        "AWS_BATCH_JOB_ATTEMPT": str(leak.attempt),
        "AWS_BATCH_JQ_NAME": leak.job.queue,
        "AWS_BATCH_CE_NAME": leak.lane,
        "AWS_EXECUTION_ENV": "AWS_ECS_EC2",  # set by ECS; Metaflow's tasks fail without it
        "HEADGATE_ALLOCATED_VCPU": f"{leak.allocation.vcpu:g}",
        "HEADGATE_ALLOCATED_MEMORY_MIB": str(leak.allocation.memory_mib),
    }


def of_node(leak: Leak, nodes: Nodes, index: int) -> dict[str, str]:
    """What AWS Batch sets beside in a node; the main node's address is told to the others alone."""
    main = {} if index == nodes.main else {"AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS": HERE}
    return main | {
        "AWS_BATCH_JOB_ID": f"{leak.job_id}#{index}",
        "AWS_BATCH_JOB_MAIN_NODE_INDEX": str(nodes.main),
        "AWS_BATCH_JOB_NODE_INDEX": str(index),
        "AWS_BATCH_JOB_NUM_NODES": str(nodes.count),
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
