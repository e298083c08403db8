"""Seeded arrivals for when no trace is given: bursts of many tenants, and sweeps."""

from __future__ import annotations

import numpy as np

from queue_broker.simulation.trace import DEFAULT_MEMORY_MIB, Trace

DAY_S = 86_400.0


def arrivals(tasks: int, days: float, seed: int, organisations: int = 12) -> Trace:
    """Arrivals as grids see them: a daily rhythm, most tasks in bursts of one user, run times over
    four orders of magnitude, a few organisations with most of the work.

    The shape is that of published grid logs (Parallel Workloads Archive): a median of minutes, a
    mean of hours.
    """
    random = np.random.default_rng(seed)
    bursts = max(1, tasks // 12)
    size = np.minimum(random.geometric(1 / 12, bursts), 400)
    owner = random.zipf(1.6, bursts) % (organisations * 8)
    begin = rhythm(random, bursts, days)
    which = np.repeat(np.arange(bursts), size)[:tasks]
    submit_s = begin[which] + random.exponential(20.0, len(which))
    median = random.lognormal(np.log(300.0), 1.3, organisations * 8)
    runtime_s = np.clip(
        median[owner[which]] * random.lognormal(0.0, 1.3, len(which)), 5.0, 2 * DAY_S
    )
    names = np.array([f"org{o % organisations}/user{o}" for o in range(organisations * 8)])
    trace = plain(submit_s, runtime_s, names[owner[which]].astype(object))
    return trace.take(np.argsort(trace.submit_s, kind="stable"))


def rhythm(random: np.random.Generator, count: int, days: float) -> np.ndarray:
    """Times over so many days, twice as many at noon as at midnight."""
    times = random.uniform(0, days * DAY_S, count * 3)
    day = 0.75 - 0.25 * np.cos(2 * np.pi * times / DAY_S)
    return np.sort(times[random.uniform(0, 1, len(times)) < day][:count])


def plain(submit_s: np.ndarray, runtime_s: np.ndarray, tenant: np.ndarray) -> Trace:
    """Tasks of one vCPU and 2 GiB that use what they ask for."""
    rows = len(submit_s)
    return Trace(
        submit_s=submit_s.astype(float),
        runtime_s=runtime_s.astype(float),
        tenant=tenant.astype(object),
        tier=np.full(rows, "interactive", dtype=object),
        vcpu=np.ones(rows),
        memory_mib=np.full(rows, DEFAULT_MEMORY_MIB, dtype=np.int64),
        gpus=np.zeros(rows, dtype=np.int64),
        memory_used_mib=np.full(rows, DEFAULT_MEMORY_MIB, dtype=np.int64),
        queue=np.full(rows, "default", dtype=object),
        priority=np.zeros(rows, dtype=np.int64),
        job=np.arange(rows, dtype=np.int64),
        vcpu_used=np.ones(rows),
    )


def sweep(
    tasks: int, at_s: float, mean_runtime_s: float, seed: int, tenant: str, gpus: int = 0
) -> Trace:
    """One sweep: all its tasks at one moment, of one shape, with run times that scatter."""
    random = np.random.default_rng(seed)
    sigma = 0.5
    scatter = random.lognormal(-(sigma**2) / 2, sigma, tasks)
    one = plain(np.full(tasks, at_s), mean_runtime_s * scatter, np.full(tasks, tenant))
    columns = {name: getattr(one, name) for name in one.__slots__}
    columns["tier"] = np.full(tasks, "sweep", dtype=object)
    columns["job"] = np.zeros(tasks, dtype=np.int64)
    columns["gpus"] = np.full(tasks, gpus, dtype=np.int64)
    return Trace(**columns)


def mark(trace: Trace, share: float, tier: str, seed: int) -> Trace:
    """The trace with a seeded share of its tasks in another tier."""
    chosen = np.random.default_rng(seed).uniform(0, 1, len(trace)) < share
    return trace.with_tier(chosen, tier)
