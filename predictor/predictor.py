"""From jobs to estimates: each family by the way that has paid so far, the model among them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from headgate.estimate import Estimate
from headgate.job import Job
from headgate.resources import Resources
from headgate.usage import Observation
from predictor.answers import SMALL_MIB, answer, known_of
from predictor.explanation import Explanation, explain
from predictor.families import Families
from predictor.few import shapes
from predictor.learning import learn
from predictor.model import TARGETS, Heard, Model
from predictor.rows import Rows, facts_of_jobs, rows_of_jobs, split_columns
from predictor.settings import PredictorSettings
from predictor.shape import Sizes, sizes, snap_memory, to_estimates
from predictor.sweeps import Distinct, Indexes
from predictor.turns import ALONE, Turn
from predictor.ways import outlook_beyond

__all__ = ["Explanation", "Indexes", "Predictor"]


class Predictor:
    """Estimates jobs, and learns from each attempt that ends. Not thread-safe: one owner at a
    time.
    """

    def __init__(
        self, model: Model | None = None, settings: PredictorSettings | None = None
    ) -> None:
        self.model = model
        self.settings = settings or PredictorSettings()
        self.families = Families(sorted(set(self.settings.failure_weight.values())))

    @property
    def version(self) -> str | None:
        return self.model.version if self.model else None

    def with_model(self, model: Model | None) -> Self:
        """The same predictor, online histories and all, under another model."""
        other = type(self)(model, self.settings)
        other.families = self.families
        other.families.take_up(model)
        return other

    def estimate(self, jobs: Sequence[Job], modes: Sequence[str] | str = "cost") -> list[Estimate]:
        """One estimate a job. Never raises on a valid `Job`, whatever little is known of it.

        Jobs of which the same is known are estimated once.
        """
        known, keys = facts_of_jobs(jobs, self.families.past)
        each = [modes] * len(jobs) if isinstance(modes, str) else list(modes)
        firsts, kinds = _kinds(
            (mode, job.resources.ceiling, *key, *_flat(row.numbers), *_flat(row.words))
            for job, mode, key, row in zip(jobs, each, keys, known, strict=True)
        )
        if not firsts:
            return []
        rows = Rows.of([known[place] for place in firsts], [keys[place] for place in firsts])
        few = [jobs[place] for place in firsts]
        found = self._each(few, rows, [each[place] for place in firsts])
        return [found[kind] for kind in kinds]

    def estimate_task(
        self, job: Job, parameters: Mapping[str, object], mode: str = "cost"
    ) -> Estimate:
        """The estimate of one task of a sweep, with its own parameters."""
        return self._each([job], rows_of_jobs([job], self.families.past, [parameters]), mode)[0]

    def estimate_sweep(
        self,
        job: Job,
        columns: dict[str, npt.NDArray[Any]] | None,
        size: int,
        mode: str = "cost",
        turn: Turn = ALONE,
    ) -> list[tuple[Indexes, Estimate]]:
        """The tasks of a sweep by predicted shape, a few of them, each with its estimate.

        `columns` holds the tasks' parameters by name, `size` values each; None: they are alike. It
        is emptied on the way. Of many rows it takes minutes, and the predictor for a moment at a
        time, each within `turn`: others may learn and ask in between.
        """
        if not columns or size == 0:
            with turn:
                return [(np.arange(size, dtype=np.uint32), self.estimate([job], mode)[0])]
        parted = split_columns(columns)
        with turn:
            rows = Rows.of_sweep(job, parted, size, self.families.past)
            telling = self._telling(rows)
        asked = Distinct.of(rows, telling)
        given = Sizes.blank(asked.rows, TARGETS)
        for at, block in asked.blocks():
            heard = self._hear(block)  # between two turns, so that who waits for one gets it
            with turn:
                given.put(at, self._sizes(block, [job], mode, heard))
        return self._shapes(job, asked, given)

    def _shapes(self, job: Job, asked: Distinct, given: Sizes) -> list[tuple[Indexes, Estimate]]:
        groups = shapes(given, asked.each())
        estimates = self._estimates(given.merged(groups), asked.rows, [job] * len(groups))
        return list(zip(asked.tasks(groups), estimates, strict=True))

    def _hear(self, rows: Rows) -> Heard:
        return self.model.hear(rows) if self.model else Heard()

    def observe(
        self,
        observations: Sequence[Observation],
        turn: Turn = ALONE,
    ) -> None:
        """Learn from attempts that ended, in the order given; a history of thousands within many
        short turns.
        """
        if observations:
            learn(self.families, observations, self.model, turn)

    def retry(self, failed: Observation, largest: Resources, mode: str = "cost") -> Resources:
        """What to give the next attempt: after a kill for memory, more memory and nothing else.

        What costs least at the mode's price of one more kill, now that the need is known to be
        beyond what was given. Beyond what it had, and what its family ever needed, little is known:
        it grows there by a fixed factor at most. Never bigger than `largest`; nor so small that it
        saves nothing.
        """
        given = failed.allocation or self.settings.default
        if not failed.memory_is_censored:
            return given
        least = max(1.2 * given.memory_mib, SMALL_MIB)
        grown = max(self._beyond(failed, given.memory_mib, mode), least)
        asked, ceiling = failed.job.resources.memory_mib, failed.job.resources.ceiling
        most = min(largest.memory_mib, asked) if ceiling and asked else largest.memory_mib
        memory = min(int(snap_memory(np.array([grown]))[0]), most)
        return Resources(given.vcpu, max(memory, given.memory_mib), given.gpus)

    def _beyond(self, failed: Observation, given_mib: int, mode: str) -> float:
        rows = rows_of_jobs([failed.job], self.families.past, [failed.parameters])
        voice = self.families.voice(rows.families[0], "memory_mib", self._weight(mode))
        factor = self.settings.retry_factor
        blind = factor * given_mib
        if voice is None:
            return blind
        known = known_of(rows, "memory_mib", self._hear(rows), np.arange(1))
        left = outlook_beyond(voice.choice.in_turn(), known, float(np.log(given_mib)))
        if left is None:
            return blind
        most = float(np.exp(self.families.most(voice.key, "memory_mib")))
        sized = float(np.exp(left.first_of_many(voice.way.weight)))
        return min(sized, max(blind, factor * most))

    def explain(self, job: Job, mode: str = "cost") -> Explanation:
        """The estimate with what is behind it: histories, nearest past jobs, the model's
        reasons.
        """
        rows = rows_of_jobs([job], self.families.past)
        estimate = self._each([job], rows, mode)[0]
        return explain(estimate, rows, self.families, self.model, self._weight(mode))

    def _each(self, jobs: Sequence[Job], rows: Rows, modes: Sequence[str] | str) -> list[Estimate]:
        return self._estimates(self._sizes(rows, jobs, modes, self._hear(rows)), rows, jobs)

    def _estimates(self, given: Sizes, rows: Rows, jobs: Sequence[Job]) -> list[Estimate]:
        return to_estimates(given, rows.families, jobs, self.version, self.settings)

    def _sizes(
        self, rows: Rows, jobs: Sequence[Job], modes: Sequence[str] | str, heard: Heard
    ) -> Sizes:
        """`jobs` is one a row, or one for all; so is `modes`."""
        each = [modes] * len(jobs) if isinstance(modes, str) else list(modes)
        weights = np.broadcast_to(np.array([self._weight(mode) for mode in each]), (rows.size,))
        dear = np.broadcast_to(np.array([self._weight("safe")]), (rows.size,))
        answers = {
            target: answer(
                rows,
                target,
                self.families,
                heard,
                dear if target == "gpu_memory_mib" else weights,
            )
            for target in TARGETS
        }
        self.families.rest()
        ceiling = np.array([job.resources.ceiling for job in jobs])
        return sizes(rows, answers, np.broadcast_to(ceiling, (rows.size,)), self.settings)

    def _weight(self, mode: str) -> float:
        """The price of a lost attempt; of a mode that nobody knows, the safe one."""
        prices = self.settings.failure_weight
        return prices.get(mode, prices["safe"])

    def _telling(self, rows: Rows) -> list[npt.NDArray[Any]]:
        """The columns of a sweep that any estimate can depend on."""
        used = set(self.model.used) if self.model else set()
        for keys in rows.families:
            for key in keys:
                for target in TARGETS:
                    if series := self.families.series.get((key, target)):
                        self.families.looks_at(key, target, series)
                        used |= set(series.ring.window().known.inputs)
        numbers = [
            values
            for name, values in rows.numbers.items()
            if len(values) == rows.size and name in used
        ]
        return [
            *numbers,
            *(word.codes for word in rows.words.values() if len(word.codes) == rows.size),
        ]


def _flat(known: Mapping[str, Hashable]) -> Iterable[Hashable]:
    """Names and values one after the other: a pair for each would cost more than all the rest."""
    return chain(known, known.values())


def _kinds(marks: Iterable[Hashable]) -> tuple[list[int], list[int]]:
    """The first place of each distinct mark, and the kind of each place: its mark's number."""
    numbers: dict[Hashable, int] = {}
    firsts: list[int] = []
    kinds: list[int] = []
    for place, mark in enumerate(marks):
        kind = numbers.setdefault(mark, len(numbers))
        if kind == len(firsts):
            firsts.append(place)
        kinds.append(kind)
    return firsts, kinds
