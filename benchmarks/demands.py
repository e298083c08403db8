"""Demands to pack in the benchmarks: from a seeded generator, or from a file.

A file is CSV or Parquet, one demand a row: `vcpu`, `memory_mib`, optional `gpus`, `gpu_model`,
`gpu_memory_mib`, `arch`, `runtime_s`, `count`; other columns are ignored. CALCLOUD's table
(alphasentaurii/calcloud-ml-dashboard, BSD-3) is converted: `memory` is GB (10^9) of peak,
`wallclock` seconds, and a job has one vCPU, as in spacetelescope/calcloud's job definitions.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from headgate.resources import Resources
from packer import table
from packer.catalogue import InstanceType
from packer.catalogue_file import built_in, read_rows, to_types
from packer.demand import Demand
from packer.selection import Selection, select
from packer.table import Line

#: vCPU, MiB, GPUs, MiB of one GPU, and how often: trainings and inference as the GPU types invite
#: them.
GPU_SHAPES = (
    (4, 14_000, 1, 15_000, 0.30),
    (8, 28_000, 1, 15_000, 0.15),
    (3, 10_000, 1, 22_000, 0.15),
    (8, 56_000, 1, 22_000, 0.10),
    (16, 60_000, 2, 15_000, 0.10),
    (12, 90_000, 2, 22_000, 0.08),
    (32, 120_000, 4, 22_000, 0.07),
    (24, 160_000, 4, 40_000, 0.05),
)


def catalogue(types: int = 300) -> list[InstanceType]:
    """The given number of x86 types from the built-in catalogue, GPUs included."""
    return select(to_types(read_rows(built_in())), Selection(arch="x86_64", at_most=types))


def generated(tasks: int, seed: int) -> list[Demand]:
    """Tasks as CALCLOUD's: one vCPU, and memory in three humps with a long tail (lognormal)."""
    random = np.random.default_rng(seed)
    centre = random.choice([450.0, 850.0, 2600.0], size=tasks, p=[0.45, 0.37, 0.18])
    memory = np.minimum(centre * np.exp(random.normal(0, 0.35, tasks)), 60_000)
    runtime = np.exp(random.normal(4.9, 1.5, tasks)) * np.sqrt(memory / 1000)
    frame = pd.DataFrame({"vcpu": 1.0, "memory_mib": np.ceil(memory), "runtime_s": runtime})
    return to_demands(frame.assign(gpus=0))


def wide(tasks: int, seed: int) -> list[Demand]:
    """Tasks that differ in everything: 1 to 16 vCPUs, 0.5 to 40 GiB each (lognormal)."""
    random = np.random.default_rng(seed)
    vcpu = random.choice([1, 2, 4, 8, 16], size=tasks, p=[0.4, 0.25, 0.2, 0.1, 0.05])
    memory = np.ceil(vcpu * np.exp(random.normal(8.0, 0.8, tasks)) / 64) * 64
    return to_demands(pd.DataFrame({"vcpu": vcpu, "memory_mib": memory, "gpus": 0}))


def with_gpus(tasks: int, seed: int) -> list[Demand]:
    """GPU tasks of the shapes above."""
    random = np.random.default_rng(seed)
    share = np.array([shape[-1] for shape in GPU_SHAPES])
    counts = random.multinomial(tasks, share / share.sum())
    return [
        Demand(f"gpu{i}", Resources(float(v), m, g), int(count), gpu_memory_mib=memory)
        for i, ((v, m, g, memory, _), count) in enumerate(zip(GPU_SHAPES, counts, strict=True))
        if count
    ]


def read(path: Path) -> pd.DataFrame:
    """A demand table; CALCLOUD's is converted."""
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    if {"memory", "wallclock"} <= set(frame.columns):
        frame = pd.DataFrame(
            {
                "vcpu": 1.0,
                "memory_mib": np.ceil(frame["memory"] * 1e9 / 2**20),
                "runtime_s": frame["wallclock"],
                "predicted_s": frame.get("wall_pred"),
            }
        )
    missing = {"vcpu", "memory_mib"} - set(frame.columns)
    if missing:
        raise SystemExit(f"{path}: got {list(frame.columns)}; needed: also {sorted(missing)}")
    return frame.assign(**{"gpus": frame.get("gpus", 0), "count": frame.get("count", 1)})


def drawn(frame: pd.DataFrame, tasks: int, seed: int) -> list[Demand]:
    """That many tasks drawn from a table's rows by their counts, with replacement."""
    weight = frame["count"].to_numpy(dtype=float)
    rows = np.random.default_rng(seed).multinomial(tasks, weight / weight.sum())
    return to_demands(frame.assign(count=rows)[rows > 0])


def to_demands(frame: pd.DataFrame) -> list[Demand]:
    """The table's demands, equal shapes together; runtimes are left out."""
    kept = frame[[name for name in frame.columns if name != "runtime_s"]]
    shape = [name for name in Line.model_fields if name in kept and name != "count"]
    kept = kept.assign(count=kept.get("count", 1))
    grouped = kept.groupby(shape, dropna=False)["count"].sum().reset_index()
    return table.to_demands(
        [{str(k): v for k, v in row.items()} for row in grouped.to_dict("records")]
    )
