"""Where the money of a replay goes: what the instances held, by the second, and what was needed.

Paid is what all instances cost. Of that, `empty` is instances without a task (before they are
stopped), `scraps` what the tasks on an instance leave over of it, and the rest is reserved: each
instant by the resource that an instance has least left of. Of the reserved, `lost` went to attempts
that were killed or interrupted, and `unused` is what the tasks held beyond their true need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from headgate.lifecycle import Cause
from queue_broker.adapters.engines.simulated.fleet import Fleet, Run
from queue_broker.simulation.trace import Trace

Floats = npt.NDArray[np.float64]
HOUR_S = 3600.0


@dataclass(slots=True)
class Bill:
    """Filled while a replay runs. All figures are USD."""

    fleet: Fleet
    trace: Trace
    runs: list[Run] = field(default_factory=list)

    @classmethod
    def of(cls, fleet: Fleet, trace: Trace) -> Bill:
        """The bill of a fleet whose replay has not begun."""
        bill, told = cls(fleet, trace), fleet.told

        def tell(started: Sequence[Run], ended: Sequence[Run]) -> None:
            bill.runs += [run for run in ended if run.placed_s >= 0]
            told(started, ended)

        fleet.told = tell
        return bill

    def figures(self) -> dict[str, float]:
        reserved, occupied = self.packed()
        held = np.array([self.held_usd(run) for run in self.runs])
        needed = np.array([self.needed_usd(run) for run in self.runs])
        useful = np.array([run.cause is Cause.EXITED for run in self.runs])
        paid = self.fleet.cost_usd()
        part = reserved / held.sum()  # of tasks side by side, one is short of this, one of that
        return {
            "asked": self.asked_usd(),
            "paid": paid,
            "empty": paid - occupied,
            "scraps": occupied - reserved,
            "lost": float(held[~useful].sum()) * part,
            "unused": float((held - needed)[useful].sum()) * part,
            "used": float(needed[useful].sum()) * part,
        }

    def packed(self) -> tuple[float, float]:
        """What the tasks reserved, and what the instances with a task on them cost."""
        queues = self.fleet.queues
        shape = np.array([queue.pool.one[:3] for queue in queues], dtype=np.float64)
        price = np.array([queue.pool.price_usd_hour for queue in queues])
        lane = np.array([run.lane for run in self.runs], dtype=np.int64)
        host = lane * 1_000_000 + np.array([run.instance for run in self.runs])
        need = np.array([run.need[:3] for run in self.runs]) / np.maximum(shape[lane], 1.0)
        begin = np.array([run.placed_s for run in self.runs])
        end = np.array([run.end_s for run in self.runs])
        hosts, times = np.concatenate([host, host]), np.concatenate([begin, end])
        order = np.lexsort((times, hosts))
        share = np.cumsum(np.concatenate([need, -need])[order], axis=0).max(axis=1)
        span = np.append(np.diff(times[order]), 0.0)
        share[np.append(np.diff(hosts[order]) != 0, True)] = 0.0
        usd = span * price[np.concatenate([lane, lane])[order]] / HOUR_S
        return float(share @ usd), float(usd[share > 1e-9].sum())

    def asked_usd(self) -> float:
        """What the users' own requests would cost where nothing is ever left over or idle."""
        trace = self.trace
        asked = zip(1000 * trace.vcpu, trace.memory_mib, trace.runtime_s, strict=True)
        spent = sum(self.rate(mcpu, mib) * runtime_s for mcpu, mib, runtime_s in asked)
        return float(spent / HOUR_S)

    def held_usd(self, run: Run) -> float:
        """By the cheapest type for what the task was given."""
        return self.rate(run.need[0], run.need[1]) * (run.end_s - run.placed_s) / HOUR_S

    def needed_usd(self, run: Run) -> float:
        """The same for what it really kept busy, while it ran."""
        row = run.fate.row
        mcpu = min(float(run.need[0]), 1000 * self.trace.vcpu_used[row])
        mib = min(float(run.need[1]), float(self.trace.memory_used_mib[row]))
        return self.rate(mcpu, mib) * (run.end_s - run.start_s) / HOUR_S

    def rate(self, mcpu: float, mib: float) -> float:
        """USD an hour of a part of the cheapest type for it."""
        pools = [queue.pool for queue in self.fleet.queues]
        shares = [max(mcpu / pool.one.mcpu, mib / pool.one.mib) for pool in pools]
        pairs = zip(shares, pools, strict=True)
        return float(min(share * pool.price_usd_hour for share, pool in pairs))
