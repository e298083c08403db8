"""What the benchmarks of the policy share: their traces, their fleets, and the runs themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.console import Console
from rich.progress import Progress

from benchmarks.report import Options
from queue_broker.adapters.engines.simulated.model import FleetModel
from queue_broker.records import Lane
from queue_broker.simulation.baselines import BASELINES
from queue_broker.simulation.direct import Direct
from queue_broker.simulation.fleets import PRICE_USD_HOUR, SHAPE, running_lanes
from queue_broker.simulation.generate import arrivals, mark, sweep
from queue_broker.simulation.outcome import Outcome
from queue_broker.simulation.replay import Replay, Setting
from queue_broker.simulation.trace import Floats, Trace, read_trace

LANES = 100
SWEEP_RUNTIME_S = 215.0
#: The part of the fleet that the arrivals alone keep busy.
LOAD = 0.8


@dataclass(frozen=True, slots=True)
class Burst:
    """Arrivals, of which a tenth is production, and one sweep of another tenant on top."""

    alone: Trace
    swept: Trace
    setting: Setting
    sweep_at_s: float

    def saturated_until_s(self, *outcomes: Outcome) -> float:
        """The end of the span in which the sweep keeps the fleet full under every policy."""
        rows = [outcome.of_tier("sweep") for outcome in outcomes]
        ends = [
            float(np.nanquantile(o.done_s[r], 0.9)) for o, r in zip(outcomes, rows, strict=True)
        ]
        return min(ends)

    def left_over_s(self, alone: Outcome) -> float:
        """No sweep can end sooner without taking from the others: the seconds until the vCPUs that
        an ideal scheduler of them leaves idle have added up to the sweep's work."""
        total = free = alone.total.vcpu
        now_s, left = self.sweep_at_s, self.swept.work_vcpu_s - self.alone.work_vcpu_s
        for at_s, used in zip(*in_use(alone), strict=True):
            span_s = max(0.0, at_s - now_s)
            if free * span_s >= left:
                break
            left -= free * span_s
            now_s, free = now_s + span_s, total - used
        return float(now_s + left / free - self.sweep_at_s)


def burst(options: Options, days: float, sweep_tasks: int) -> Burst:
    """The first `days` of the trace given, or of a generated one, with the sweep a tenth in."""
    if options.path is not None:
        whole = read_trace(options.path)
        trace = whole.between(float(whole.submit_s[0]), float(whole.submit_s[0]) + days * 86_400)
    else:
        trace = arrivals(int(17_000 * days), days, options.seed)
    alone = mark(trace, 0.1, "production", options.seed)
    span_s = float(alone.submit_s[-1] - alone.submit_s[0])
    at_s = float(alone.submit_s[0]) + span_s / 10
    swept = alone.merged(sweep(sweep_tasks, at_s, SWEEP_RUNTIME_S, options.seed, "sweeper"))
    return Burst(alone, swept, fixed_fleet(alone.work_vcpu_s / span_s / LOAD), at_s)


def fixed_fleet(vcpu: float, period_s: float = 10.0) -> Setting:
    """A hundred lanes that run all the time, with so many vCPUs together at the least."""
    each = max(1, math.ceil(vcpu / LANES / SHAPE.vcpu))
    return Setting(FleetModel(lanes=lanes(each)), period_s=period_s)


def lanes(instances: int) -> Sequence[Lane]:
    return running_lanes(LANES, SHAPE, instances, PRICE_USD_HOUR)


def in_use(outcome: Outcome) -> tuple[Floats, Floats]:
    """The moments at which the vCPUs in use change, and how many there are from each on."""
    account = outcome.account
    vcpu = outcome.trace.vcpu[np.array(account.task, dtype=np.int64)]
    times = np.concatenate([account.start_s, account.end_s])
    order = np.argsort(times, kind="stable")
    return times[order], np.cumsum(np.concatenate([vcpu, -vcpu])[order])


def headgate(trace: Trace, setting: Setting) -> Outcome:
    return watched(Replay(trace, setting), f"Headgate, {len(trace):,} tasks")


def baseline(name: str, trace: Trace, setting: Setting) -> Outcome:
    owners = len({str(tenant).split("/", 1)[0] for tenant in trace.tenant})
    policy = BASELINES[name](setting.total, owners)
    return watched(Direct(trace, setting, policy), f"{name}, {len(trace):,} tasks")


def watched(replay: Replay | Direct, name: str) -> Outcome:
    """Run it, with a bar on a terminal's stderr: a million tasks take minutes."""
    screen = Console(stderr=True)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(name, total=len(replay.trace))

        def told(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)

        return replay.run(told)


def slower(setting: Setting, period_s: float) -> Setting:
    return replace(setting, period_s=period_s)
