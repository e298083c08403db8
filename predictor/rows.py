"""Many tasks side by side: features as columns, for a batch of jobs and for a sweep alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from headgate.job import Job
from predictor.features import LARGEST, MAX_WORD, Facts, facts, family_keys, step_of, to_number
from predictor.kin import Kin, plain
from predictor.past import Past, with_past
from predictor.risk import Codes, Vector


@dataclass(frozen=True, slots=True)
class Words:
    """A column of words: its distinct words, and each row's place among them (-1: none)."""

    levels: tuple[str, ...]
    codes: Codes


#: A column of parameters as numbers and as words.
Parted = tuple[Vector, Words]


@dataclass(frozen=True)
class Rows:
    """Facts of `size` tasks by column; `families` are their distinct family keys, `family` whose
    is whose.

    A column of one value stands for all rows. Raw numbers of kin, of which there may be thousands
    and of each row few, stand in `kin`.
    """

    size: int
    numbers: Mapping[str, Vector]
    words: Mapping[str, Words]
    families: Sequence[tuple[str, ...]]
    family: Codes
    kin: Sequence[Kin] = ()

    @classmethod
    def of(cls, known: Sequence[Facts], keys: Sequence[tuple[str, ...]]) -> Self:
        """One row for each of the facts."""
        names = dict.fromkeys(name for row in known for name in plain(row.numbers))
        numbers = {
            name: np.array([row.numbers.get(name, np.nan) for row in known]) for name in names
        }
        spoken = dict.fromkeys(name for row in known for name in row.words)
        words = {name: _words([row.words.get(name) for row in known]) for name in spoken}
        places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        family = np.array([places[key] for key in keys], dtype=np.intp)
        kin = [Kin.of([row.numbers for row in known])]
        return cls(len(known), numbers, words, list(places), family, kin)

    @classmethod
    def of_sweep(cls, job: Job, columns: Mapping[str, Parted], size: int, past: Past) -> Self:
        """One row for each task of a sweep: the template's facts, with the columns over them."""
        base = facts(job)
        step = step_of(family_keys(job, base))
        base = with_past(base, step, past, np.inf)
        numbers = {name: np.array([value]) for name, value in plain(base.numbers).items()}
        kin = [Kin.of([base.numbers], _same)]
        words = {name: Words((word,), _same) for name, word in base.words.items()}
        for name, (number, word) in columns.items():
            feature = f"parameter.{name}"
            numbers.pop(feature, None)
            words.pop(feature, None)
            if np.isfinite(number).any():
                numbers[feature] = number
            if word.levels:
                words[feature] = word
                said = [*(past.of_word(step, feature, one, np.inf) for one in word.levels), {}]
                numbers |= _numbers(said, word.codes)
                kin.append(Kin.of(said, word.codes))
        differing = {name: column for name, column in words.items() if len(column.codes) == size}
        first, family = distinct([column.codes for column in differing.values()], size)
        keys = [family_keys(job, _facts_at(base, differing, int(place))) for place in first]
        return cls(size, numbers, words, keys, family, kin)

    def take(self, places: Codes) -> Rows:
        """Some of the rows."""
        numbers = {name: _at(values, places) for name, values in self.numbers.items()}
        words = {
            name: Words(word.levels, _at(word.codes, places)) for name, word in self.words.items()
        }
        kin = [one.take(places) for one in self.kin]
        return Rows(len(places), numbers, words, self.families, self.family[places], kin)

    def groups(self) -> Iterator[tuple[tuple[str, ...], Codes]]:
        """Each family with the places of its rows."""
        if len(self.families) == 1:
            yield self.families[0], np.arange(self.size)
            return
        order = np.argsort(self.family, kind="stable")
        edges = np.searchsorted(self.family[order], np.arange(len(self.families) + 1))
        for place, keys in enumerate(self.families):
            yield keys, order[edges[place] : edges[place + 1]]

    @cached_property
    def columns(self) -> Mapping[str, Vector]:
        """Every number of all rows."""
        return {name: self.number(name) for name in self.numbers}

    def number(self, name: str) -> Vector:
        """One number of all rows; NaN where it is not known."""
        found = self.numbers.get(name, _unknown)
        return found if len(found) == self.size else _repeated(found, self.size)


_same: Codes = np.zeros(1, dtype=np.intp)
_unknown: Vector = np.full(1, np.nan)
_unknown.flags.writeable = False  # every row that does not know a number shares it


def rows_of_jobs(
    jobs: Sequence[Job], past: Past, parameters: Sequence[Mapping[str, object]] = ()
) -> Rows:
    """Jobs that may start now as rows; `parameters` are the tasks' own, one mapping a job."""
    return Rows.of(*facts_of_jobs(jobs, past, parameters))


def facts_of_jobs(
    jobs: Sequence[Job], past: Past, parameters: Sequence[Mapping[str, object]] = ()
) -> tuple[list[Facts], list[tuple[str, ...]]]:
    """The facts of jobs that may start now, and their families' keys. What the past says is asked
    once for all jobs of a step, and once for all of them that share a word.
    """
    own: Sequence[Mapping[str, object]] = parameters or [{}] * len(jobs)
    known = [facts(job, mine) for job, mine in zip(jobs, own, strict=True)]
    keys = [family_keys(job, row) for job, row in zip(jobs, known, strict=True)]

    @cache
    def of_step(step: str) -> Mapping[str, float]:
        return past.numbers(step, {}, np.inf)

    @cache
    def of_word(step: str, name: str, word: str) -> Mapping[str, float]:
        return past.of_word(step, name, word, np.inf)

    for row, key in zip(known, keys, strict=True):
        step = step_of(key)
        row.numbers.update(of_step(step))
        for name, word in row.names.items():
            row.numbers.update(of_word(step, name, word))
    return known, keys


def split_columns(columns: dict[str, npt.NDArray[Any]]) -> dict[str, Parted]:
    """`columns` is emptied on the way, so that a million rows are in memory once."""
    return {name: split_column(columns.pop(name)) for name in list(columns)}


def split_column(values: npt.NDArray[Any]) -> Parted:
    """A sweep's parameter as numbers and words, by the same rules as a single job's."""
    if values.dtype.kind in "biuf":
        numbers = values.astype(np.float64, copy=False)
        beyond = (np.abs(numbers) > LARGEST).any()
        return np.clip(numbers, -LARGEST, LARGEST) if beyond else numbers, Words((), _same)
    codes, levels = pd.factorize(values)
    as_numbers = np.array([_or_nan(to_number(_plain(level))) for level in levels] + [np.nan])
    texts = [str(level)[:MAX_WORD] for level in levels]
    spoken = [place for place in range(len(levels)) if np.isnan(as_numbers[place])]
    said = tuple(texts[place] for place in spoken)
    if len(said) == len(levels):
        return np.full(1, np.nan), Words(said, codes.astype(np.intp, copy=False))
    renamed = np.full(len(levels) + 1, -1, dtype=np.intp)
    renamed[spoken] = np.arange(len(spoken))
    return as_numbers[codes], Words(said, renamed[codes])


def distinct(columns: Sequence[npt.NDArray[Any]], size: int) -> tuple[Codes, Codes]:
    """The first place of each distinct combination of the columns' values, and each row's
    combination.
    """
    code, combinations = np.zeros(size, dtype=np.int64), 1
    for values in columns:
        inverse, levels = pd.factorize(values, use_na_sentinel=False)
        code *= len(levels)
        code += inverse
        if combinations > 1:  # else they are numbered already
            del inverse
            code, levels = pd.factorize(code)
        combinations = max(len(levels), 1)
    first = np.full(int(code.max()) + 1 if size else 0, size, dtype=np.intp)
    first[code[::-1]] = np.arange(size)[::-1]
    return first, code.astype(np.intp, copy=False)


def _numbers(said: Sequence[Mapping[str, float]], codes: Codes) -> dict[str, Vector]:
    """What is said by the words of a column, a value a row: by its code, of none by the last."""
    names = dict.fromkeys(name for numbers in said for name in plain(numbers))
    return {
        name: np.array([numbers.get(name, np.nan) for numbers in said])[codes] for name in names
    }


def _facts_at(base: Facts, columns: Mapping[str, Words], place: int) -> Facts:
    words = dict(base.words)
    for name, column in columns.items():
        if column.codes[place] >= 0:
            words[name] = column.levels[column.codes[place]]
    return Facts(base.numbers, words)


def _words(values: Sequence[str | None]) -> Words:
    levels = {word: place for place, word in enumerate(dict.fromkeys(w for w in values if w))}
    codes = [levels[word] if word else -1 for word in values]
    return Words(tuple(levels), np.array(codes, dtype=np.intp))


def _repeated(value: Vector, size: int) -> Vector:
    """An array of one as an array of many, without a copy: `broadcast_to`, at a quarter of its
    time.
    """
    return np.ndarray((size,), value.dtype, value, strides=(0,))


def _at(values: npt.NDArray[Any], places: Codes) -> npt.NDArray[Any]:
    return values if len(values) == 1 else values[places]


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
