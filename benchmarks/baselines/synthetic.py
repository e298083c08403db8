"""A seeded workflow with the shapes of need that real ones have, for runs without a trace."""

from __future__ import annotations

import numpy as np
import pandas as pd

GIB = 2.0**30


def workflow(rows: int, seed: int) -> pd.DataFrame:
    """A table in the format of nextflow_tasks.parquet: `rows` samples through each of the
    processes.
    """
    rng = np.random.default_rng(seed)
    size = rng.lognormal(np.log(2e9), 1.0, rows)
    submit = np.sort(rng.uniform(0, 86_400_000, rows))
    frames = []
    for place, (process, need) in enumerate(needs(size, rng).items()):
        runtime = 60_000 * (1 + size / 1e9) * rng.lognormal(0.0, 0.2, rows)
        start = submit + 600_000 * place
        frames.append(
            pd.DataFrame(
                {
                    "workflow": "synthetic",
                    "task": process,
                    "tag": [f"sample{number}" for number in range(rows)],
                    "req_memory_bytes": 16 * GIB,
                    "input_read_bytes": size,
                    "rss_bytes": need,
                    "realtime_ms": runtime,
                    "submit_ms": start,
                    "complete_ms": start + runtime,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def needs(size: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Bytes by process: an index that is loaded whole, a stream, a sort with a cap, a heap, a
    drift, ...
    """
    count = len(size)

    def noise(width: float) -> np.ndarray:
        return rng.lognormal(0.0, width, count)

    return {
        "constant": 4 * GIB * noise(0.002),
        "stream": (0.3 * GIB + 2 * size) * noise(0.03),
        "noisy stream": (0.1 * GIB + 3 * size) * noise(0.2),
        "capped sort": np.minimum(6 * GIB, 4 * size + 0.2 * GIB) * noise(0.01),
        "power law": 3e4 * size**0.6 * noise(0.05),
        "heap": 7.5 * GIB * np.where(rng.random(count) < 0.8, 1.0, rng.uniform(0.3, 1.0, count)),
        "two modes": np.where(rng.random(count) < 0.3, 6 * GIB, GIB) * noise(0.03),
        "heavy tail": 0.5 * GIB * (1 + rng.pareto(2.5, count)),
        "drift": GIB * np.exp(np.linspace(0.0, 1.0, count)) * noise(0.04),
    }
