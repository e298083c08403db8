"""What earlier attempts of a job's family, and of its kin, say of it: the features that move.

Kin are jobs of other families that share a word with it, such as the sample that a pipeline works
on: if its alignment took long for an alignment, its sorting will take long for a sorting. Where no
other family has had the word, kin are those whose word is a part of it (S1 of S1_L2, what it was
made from), or of whose word it is a part. Twins are those of its own family that share a tag: the
same step on the same sample again. Only attempts that had ended by the time a job started are
looked at, in training and serving alike.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import median
from typing import TypeVar

from predictor.features import STEP_TAGS, Facts
from predictor.kin import ratio, raw_name, summand

K = TypeVar("K", bound=Hashable)

#: What is remembered of each family, and of each word.
REMEMBERED, KIN = 32, 8
#: A family's middle is taken for granted from so many attempts on.
ENOUGH = 3
#: The quantities whose past is looked at.
OF = ("memory_mib", "runtime_s")
#: The words that may name what a job works on.
NAMING = ("tag.", "parameter.")
#: What stands between the parts of a name.
BETWEEN = re.compile(r"[^a-zA-Z0-9]+")
#: A bound on memory, not on meaning: words that were not seen again for long are forgotten.
MAX_WORDS = 200_000
#: The same of families.
MAX_FAMILIES = 50_000

#: The latest attempts, the last one at the end.
Latest = tuple["Ended", ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """One attempt that ended: when, in which family, and the logs of what it needed."""

    at_s: float
    family: str
    logs: Mapping[str, float]


@dataclass(slots=True)
class Past:
    """The recent past by family, and the latest kin of each word."""

    families: dict[str, Latest] = field(default_factory=dict)
    kin: dict[tuple[str, str], Latest] = field(default_factory=dict)
    parts: dict[tuple[str, str], Latest] = field(default_factory=dict)  #: by each stem
    yardsticks: dict[tuple[str, str], float] = field(default_factory=dict)

    def numbers(self, family: str, words: Mapping[str, str], before_s: float) -> dict[str, float]:
        """The features of a job that starts at `before_s`: history.* of its family, kin.* by
        word.
        """
        found: dict[str, float] = {}
        seen = [item for item in self.families.get(family, ()) if item.at_s <= before_s]
        for target in OF if seen else ():
            found |= _history(target, [item.logs[target] for item in seen if target in item.logs])
        for name, word in words.items():
            found |= self.of_word(family, name, word, before_s)
        return found

    def of_word(self, family: str, name: str, word: str, before_s: float) -> dict[str, float]:
        """The part of the features that one word of a job adds."""
        if not _names(name):
            return {}
        latest = self._nearest(family, name, word, before_s)
        found = self._kin_numbers(name, latest) if latest else {}
        if name.startswith("tag."):
            shared = self.kin.get((name, word), ())
            own = [one for one in shared if one.family == family and one.at_s <= before_s]
            found |= _twin_numbers(name, [one.logs for one in own])
        return found

    def _nearest(
        self, family: str, name: str, word: str, before_s: float
    ) -> Mapping[str, Mapping[str, float]]:
        """What the latest kin of each other family needed, as near by name as there are any."""
        for items in filter(None, self._by_nearness(name, word)):
            ended = (item for item in items if item.at_s <= before_s)
            if others := {item.family: item.logs for item in ended if item.family != family}:
                return others
        return {}

    def _by_nearness(self, name: str, word: str) -> Iterator[Latest]:
        """Those of the very word; of words that begin with it; of words that it begins with."""
        yield self.kin.get((name, word), ())
        yield self.parts.get((name, word), ())
        for stem in stems(word):
            yield self.kin.get((name, stem), ())

    def _kin_numbers(
        self, name: str, latest: Mapping[str, Mapping[str, float]]
    ) -> dict[str, float]:
        """What the latest attempts of other families needed: the log of each, and in all how large
        they were beside the first middles of their families, as a ratio.

        The middles stay as they were first known. Did they move, a ratio would mean one thing of
        the tasks that were learnt from and another of the next: of a batch, those that end soon
        are the first to be known.
        """
        found: dict[str, float] = {}
        for target in OF:
            logs = {family: one[target] for family, one in latest.items() if target in one}
            found |= {raw_name(target, name, family): log for family, log in logs.items()}
            beside = [
                (log, self.yardsticks[family, target])
                for family, log in logs.items()
                if (family, target) in self.yardsticks
            ]
            if beside:
                own = sum(summand(target, log) for log, _ in beside)
                usual = sum(summand(target, middle) for _, middle in beside)
                found[f"kin.{target}.{name}"] = float(ratio(target, own, usual, len(beside)))
        return found

    def add(
        self, family: str, words: Mapping[str, str], at_s: float, logs: Mapping[str, float]
    ) -> None:
        """Take in an attempt that ended."""
        item = Ended(at_s, family, dict(logs))
        for gone in _remember(self.families, family, item, REMEMBERED, MAX_FAMILIES):
            for target in gone.logs:
                self.yardsticks.pop((gone.family, target), None)
        for name, word in words.items():
            if _names(name):
                _remember(self.kin, (name, word), item, KIN, MAX_WORDS)
                for stem in stems(word):
                    _remember(self.parts, (name, stem), item, KIN, MAX_WORDS)
        for target in logs:
            self._settle(family, target)

    def _settle(self, family: str, target: str) -> None:
        """Once, when so many are known."""
        if (family, target) in self.yardsticks:
            return
        known = [item.logs[target] for item in self.families[family] if target in item.logs]
        if len(known) >= ENOUGH:
            self.yardsticks[family, target] = median(known)


def _remember(kept: dict[K, Latest], key: K, item: Ended, each: int, most: int) -> Latest:
    """The latest last, of the keys too; what of the oldest key is forgotten for it. (A deque would
    take three times the memory of most words' few.)"""
    kept[key] = (*kept.pop(key, ()), item)[-each:]
    return kept.pop(next(iter(kept))) if len(kept) > most else ()


@lru_cache(maxsize=4096)
def stems(word: str) -> tuple[str, ...]:
    """What a name begins with, the longest first: it is cut where neither letter nor digit is."""
    ends = [found.start() for found in BETWEEN.finditer(word)]
    return tuple(word[:end] for end in reversed(ends) if end)


def _names(feature: str) -> bool:
    return feature.startswith(NAMING) and feature.removeprefix("tag.") not in STEP_TAGS


def _twin_numbers(name: str, known: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """What the latest kin of the same family needed: the mean of the logs, and the last."""
    found = {}
    for target in OF:
        logs = [one[target] for one in known if target in one]
        if logs:
            found[f"twin.{target}.{name}"] = sum(logs) / len(logs)
            found[f"twin.{target}.{name}.last"] = logs[-1]
    return found


def _history(target: str, logs: list[float]) -> dict[str, float]:
    if not logs:
        return {}
    ordered = sorted(logs)
    half = max(1, len(logs) // 2)
    return {
        f"history.{target}.count": float(len(logs)),
        f"history.{target}.p50": ordered[len(logs) // 2],
        f"history.{target}.p90": ordered[int(0.9 * (len(logs) - 1))],
        f"history.{target}.last": logs[-1],
        f"history.{target}.trend": sum(logs[-half:]) / half - sum(logs[:half]) / half,
    }


def with_past(known: Facts, family: str, past: Past, before_s: float) -> Facts:
    """The facts of a job with the features that its past adds."""
    return Facts(known.numbers | past.numbers(family, known.names, before_s), known.words)
