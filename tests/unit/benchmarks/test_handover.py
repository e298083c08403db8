"""The model of AWS Batch that a benchmark hands a million tasks to says what the engine asks."""

from __future__ import annotations

from pathlib import Path

from benchmarks.handover import STEP_S, World, succeeded

TASKS = 300
MOST_STEPS = 2_000


def test_a_sweep_runs_to_its_end_on_the_model(tmp_path: Path) -> None:
    world = World(tmp_path, TASKS, seed=1)
    jobs = [world.sweep(0, TASKS)]
    for _ in range(MOST_STEPS):
        world.broker.lead()
        world.model.now_s += STEP_S
        if succeeded(world, jobs) == TASKS:
            break

    assert succeeded(world, jobs) == world.model.children == TASKS
    world.broker.engine.close()
    world.broker.store.close()
