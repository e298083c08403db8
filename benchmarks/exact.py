"""Small instances, and their exact optima by CP-SAT: each task is given to one numbered
instance."""

from __future__ import annotations

import numpy as np
from ortools.sat.python import cp_model

from headgate.resources import Resources
from packer.catalogue import InstanceType
from packer.demand import Demand

#: Prices in whole micro-dollars an hour.
MICRO = 10**6


def instance(seed: int) -> tuple[list[Demand], list[InstanceType]]:
    """3 to 6 shapes, up to 24 tasks, 3 to 6 types, one in three instances with GPUs."""
    random = np.random.default_rng(seed)
    gpus = bool(random.random() < 1 / 3)
    types = [kind(random, i, gpus) for i in range(int(random.integers(3, 7)))]
    largest = max(types, key=lambda one: one.capacity.vcpu).capacity
    demands = []
    for i in range(int(random.integers(3, 7))):
        vcpu = float(random.integers(1, max(2, int(largest.vcpu * 0.6))))
        memory = int(random.integers(500, max(501, int(largest.memory_mib * 0.6))))
        wants = int(gpus and largest.gpus and random.random() < 0.4)
        demands.append(Demand(f"d{i}", Resources(vcpu, memory, wants), int(random.integers(1, 5))))
    return demands, types


def kind(random: np.random.Generator, number: int, gpus: bool) -> InstanceType:
    vcpu = int(random.choice([2, 4, 8, 16]))
    memory = vcpu * int(random.choice([1850, 3800, 7600]))
    has = int(random.integers(0, 3)) if gpus else 0
    price = vcpu * 0.035 + memory / 1024 * 0.0035 + 0.4 * has
    price = round(price * float(random.uniform(0.85, 1.15)), 4)
    return InstanceType(
        name=f"t{number}.x", capacity=Resources(vcpu, memory, has), price_usd_hour=price
    )


def optimum(demands: list[Demand], types: list[InstanceType]) -> float:
    """The least cost of what can be placed, USD an hour, proven optimal."""
    demands = [d for d in demands if any(d.shape.fits(kind.capacity) for kind in types)]
    # Data: no more instances of a type are needed than there are tasks.
    tasks = sum(demand.count for demand in demands)
    slots = [(kind, number) for kind in types for number in range(tasks)]
    model = cp_model.CpModel()
    # Variables: which instances are started, and how many tasks of each demand are on them.
    started = {slot: model.new_bool_var("") for slot in range(len(slots))}
    placed = {
        (slot, d): model.new_int_var(0, demand.count, "")
        for slot, (kind, _) in enumerate(slots)
        for d, demand in enumerate(demands)
        if demand.shape.fits(kind.capacity)
    }
    # Every task has a place.
    for d, demand in enumerate(demands):
        model.add(sum(v for (_, of), v in placed.items() if of == d) == demand.count)
    # What runs on an instance fits, and only on one that is started.
    for slot, (kind, number) in enumerate(slots):
        here = [(v, demands[d].shape) for (at, d), v in placed.items() if at == slot]
        for part in ("vcpu", "memory_mib", "gpus"):
            room = int(getattr(kind.capacity, part))
            need = sum(v * int(getattr(shape, part)) for v, shape in here)
            model.add(need <= room * started[slot])
        # Equal instances are started in their order: one packing need not be tried in all
        # permutations.
        if number:
            model.add(started[slot] <= started[slot - 1])
    # Objective
    model.minimize(
        sum(
            started[s] * round((kind.price_usd_hour or 0) * MICRO)
            for s, (kind, _) in enumerate(slots)
        )
    )
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 2
    status = solver.solve(model)
    assert status == cp_model.OPTIMAL, status
    return solver.objective_value / MICRO
