from __future__ import annotations

import random
from dataclasses import replace

from queue_broker.core.ledger import Ledger
from queue_broker.records import Changes, Leak, Tasks
from tests.unit.queue_broker.core.scenes import a_group, a_lane, a_leak

LANES = [a_lane("one"), a_lane("two")]


def changed(leak: Leak, draw: random.Random) -> Leak | None:
    """After a pass: tasks have started and ended, or the job was moved; None: all ended."""
    open_ = Tasks(task for task in leak.open if draw.random() < 0.8)
    tenant = draw.choice(["acme", "umbrella"]) if draw.random() < 0.2 else leak.tenant
    tier = draw.choice(["sweep", "production"]) if draw.random() < 0.2 else leak.tier
    running = Tasks(task for task in open_ if task in leak.running or draw.random() < 0.5)
    after = replace(leak, open=open_, running=running, tenant=tenant, tier=tier)
    return after if open_ else None


def changes(known: dict[str, Leak], now: list[Leak]) -> Changes:
    there = {leak.name for leak in now}
    moved = [leak for leak in now if leak != known.get(leak.name)]
    return Changes(moved, [name for name in known if name not in there])


def test_a_ledger_kept_from_pass_to_pass_is_as_one_made_anew() -> None:
    draw = random.Random(1996)
    leaks: list[Leak] = []
    kept = Ledger()
    for turn in range(60):
        after = [one if draw.random() < 0.5 else changed(one, draw) for one in leaks]
        leaks = [one for one in after if one is not None]
        group = a_group(turn, draw.randint(1, 9), vcpu=draw.choice([1.0, 2.0]))
        fresh = replace(a_leak(turn, group, draw.choice(["one", "two"])), running=Tasks())
        leaks.append(fresh)

        before = {name: entry.leak for name, entry in kept.entries.items()}
        kept.renew(changes(before, leaks), LANES)

        anew = Ledger.of(leaks, LANES)
        assert kept.tenants == anew.tenants
        assert kept.jobs == anew.jobs
        for name, use in anew.lanes.items():
            mine = kept.lanes[name]
            assert (mine.amount, mine.ran, mine.alike) == (use.amount, use.ran, use.alike)
            assert mine.starting == use.starting
            assert abs(mine.starting_s - use.starting_s) < 1e-6
            assert mine.entries == use.entries
