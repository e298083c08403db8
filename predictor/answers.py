"""What the histories and the model say of many tasks at once, one target at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from math import isfinite
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from headgate.estimate import Source
from predictor.bases import HIGH
from predictor.families import ANYONE, NEW, Families, Voice
from predictor.model import Heard, Model, high_of
from predictor.risk import Codes, Flags, Vector, outlook
from predictor.rows import Rows
from predictor.series import BOUND
from predictor.ways import Tail, Way
from predictor.window import Known

Keys = tuple[str, ...]
T = TypeVar("T")
W = TypeVar("W", bound=Tail)

#: The part of a request that speaks of the same quantity as a target.
REQUESTED = {
    "memory_mib": "request.memory_mib",
    "vcpu": "request.vcpu",
    "gpu_memory_mib": "request.gpu_memory_mib",
}
#: Growth where kills say that more is needed and nothing says how much.
BLIND = 2.0
#: A kind of job that nobody has seen, and that asks for more than so many times what any of its kin
#: asked for, is none of theirs: it has what it asks for.
UNLIKE_KIN = 4.0
#: Less memory than this saves nothing that could be bought, and what needs so little is often
#: mismeasured: up to here a task is given what its kind of job has ever needed.
SMALL_MIB = 64.0
#: From this price of a lost attempt on, a task is given no less than its stated bound: one in
#: twenty would be lost below it.
DEAR = BOUND / (1 - BOUND)


class Credit(NamedTuple):
    """Who spoke for a row, in kind and in words."""

    source: Source
    why: str


@dataclass(slots=True)
class Answer:
    """One target for all rows, in its own unit, NaN where nobody spoke; `by` is the place of each
    row's speaker among the credits.
    """

    p50: Vector
    p95: Vector
    give: Vector
    by: npt.NDArray[np.int32]
    credits: list[Credit]

    @classmethod
    def silent(cls, rows: Rows) -> Answer:
        p50, p95, give = (np.full(rows.size, np.nan) for _ in range(3))
        return cls(p50, p95, give, np.zeros(rows.size, np.int32), [Credit(Source.DEFAULT, "")])

    def put(self, at: slice, said: Answer) -> None:
        """What another one says of the rows at `at`."""
        for name in ("p50", "p95", "give"):
            getattr(self, name)[at] = getattr(said, name)
        self.by[at] = said.by + len(self.credits)
        self.credits += said.credits

    def credit(self, places: Codes | Flags, source: Source, why: str) -> None:
        """Who spoke for the rows at `places`."""
        self.by[places] = len(self.credits)
        self.credits.append(Credit(source, why))

    def bound(self, places: Codes, centre: Vector, middle: float, high: float) -> None:
        """Fill the bounds of the rows at `places`: a log centre, and log points for p50 and p95."""
        p50 = np.exp(centre + middle)
        self.p50[places], self.p95[places] = p50, np.maximum(p50, np.exp(centre + high))


def known_of(rows: Rows, target: str, heard: Heard, places: Codes) -> Known:
    """What a family's own fits may look at."""
    asked, unknown = np.log(rows.number(REQUESTED.get(target, ""))), rows.number("")
    everything = Known(
        rows.size,
        rows.columns,
        heard.logs.get(target, unknown),
        asked,
        heard.logs.get(high_of(target), unknown),
        kin=rows.kin,
    )
    return everything if len(places) == rows.size else everything.take(places)


def answer(rows: Rows, target: str, families: Families, heard: Heard, weights: Vector) -> Answer:
    """Ask each row's family; where it has no history, the model alone. `weights` price a
    failure.
    """
    said = Answer.silent(rows)
    model, logs = heard.model, heard.logs.get(target)
    if logs is None and target not in families.targets:
        return said
    kinds = [families.kind(keys, target) for keys in rows.families]
    for weight in _distinct(weights):
        voices = each_once(partial(families.voice, target=target, weight=weight), kinds)
        for voice, places in _by_voice(rows, voices, np.flatnonzero(weights == weight)):
            if voice is not None:
                alike = _of_its_like(voice, rows, target, families, places)
                known = known_of(rows, target, heard, alike)
                _from_family(said, voice, known, alike, weight >= DEAR)
            elif logs is not None and model is not None:
                _from_model(said, model, target, logs[places], places, weight)
    most = each_once(lambda keys: _most_of_new(families, keys, target), kinds)
    _under_request(said, rows, target, np.array(most))
    _over_kills(said, rows, target, families)
    if target == "memory_mib":
        seen = each_once(lambda keys: families.most(keys[0], target), kinds)
        said.give = np.maximum(said.give, np.minimum(np.exp(seen), SMALL_MIB)[rows.family])
    return said


def _of_its_like(voice: Voice, rows: Rows, target: str, families: Families, places: Codes) -> Codes:
    """Those rows that a coarser family may speak for: of one image, or one program, a single step
    may need a thousand times what all others do.
    """
    if target != "memory_mib" or voice.key == ANYONE:
        return places
    new = np.array([not families.total(keys[0], target) for keys in rows.families])[rows.family]
    asked = [item.asked for item in voice.series.ring.seen] if new.any() else []
    most = max(filter(isfinite, asked), default=np.inf)
    unlike: Flags = new & (np.log(rows.number(REQUESTED[target])) > most + np.log(UNLIKE_KIN))
    return places[~unlike[places]]


def _distinct(weights: Vector) -> list[float]:
    """In order; mostly there is but one, and that is told without sorting."""
    alike = bool((weights == weights[0]).all())
    return [float(weights[0])] if alike else np.unique(weights).tolist()


def each_once(ask: Callable[[Keys], T], kinds: Sequence[Keys]) -> list[T]:
    """Ask of each kind, of equal ones once."""
    told = {keys: ask(keys) for keys in dict.fromkeys(kinds)}
    return [told[keys] for keys in kinds]


def _by_voice(
    rows: Rows, voices: Sequence[Voice | None], among: Codes
) -> Iterator[tuple[Voice | None, Codes]]:
    """Each voice, or that there is none, with the places of all rows among some that it speaks for.

    A thousand families of which nothing is known are one question, not a thousand.
    """
    alike = {voice.key if voice else None: voice for voice in voices}
    number = {key: at for at, key in enumerate(alike)}
    of_family = np.array([number[voice.key if voice else None] for voice in voices], dtype=np.intp)
    of_row = of_family[rows.family[among]]
    for at, voice in enumerate(alike.values()):
        yield voice, among[of_row == at]


def _from_family(said: Answer, voice: Voice, known: Known, places: Codes, is_dear: bool) -> None:
    """What is given is the cheapest way's; the bounds are the closest's, the upper one the model's
    own where there is one that no other surely betters.

    Where a lost attempt is dear and a model was trained, no task is given less than its bound: the
    cheapest way was told by few kills. Without a model the bounds are no surer than the ways.
    """
    ways, closest = voice.choice.in_turn(), voice.series.closest_in_turn()
    for tail, centre, told in _told(chain(closest, ways), known, places):
        said.bound(told, centre, tail.middle, voice.series.bound(tail))
    for tail, centre, told in _told(voice.series.own_bound(), known, places):
        said.p95[told] = np.maximum(said.p50[told], np.exp(centre + voice.series.bound(tail)))
    bounded = is_dear and any(tail.is_model for tail in closest)
    for way, centre, told in _told(ways, known, places):
        margin = np.maximum(way.given + voice.series.caution, _beyond_kills(voice, way, centre))
        give = np.exp(centre + margin)
        said.give[told] = np.maximum(give, said.p95[told]) if bounded else give
        said.credit(told, *_credit(voice, way))


def _told(ways: Iterable[W], known: Known, places: Codes) -> Iterator[tuple[W, Vector, Codes]]:
    """Each of some ways with the rows that it is the first to have an answer for: their log
    centres, and their places.
    """
    for way in ways:
        centre = way.fit.centre(known)
        told = np.isfinite(centre)
        if told.all():
            yield way, centre, places
            return
        if told.any():
            yield way, centre[told], places[told]
            known, places = known.take(np.flatnonzero(~told)), places[~told]


def _beyond_kills(voice: Voice, way: Way, centre: Vector) -> Vector:
    """The margins that kills ask for, up to what a retry of the biggest of them would be given.

    A way that foretells a killed task badly asks for a margin of any size for all the others.
    """
    killed = [kill.log for kill in voice.series.killed]
    most = max(killed, default=-np.inf) + np.log(BLIND)
    capped: Vector = np.minimum(voice.series.least_margin(way), most - centre)
    return capped


def _from_model(
    said: Answer, model: Model, target: str, logs: Vector, places: Codes, weight: float
) -> None:
    known = model.calibration[target]
    errors = np.sort(np.asarray(known.new_errors or known.errors or (0.0,)))
    what = outlook(errors, 0.8)
    said.bound(places, logs, what.quantile(0.5), what.quantile(BOUND))
    said.give[places] = np.exp(logs + what.cheapest(weight))
    said.credit(places, Source.MODEL, "the model; a new kind of job")


def _credit(voice: Voice, way: Way) -> Credit:
    base, total, best = way.fit.base, voice.total, voice.way.fit
    if voice.key == ANYONE:
        kind = Source.MODEL if base == "model" else Source.REQUEST
        why = f"a new kind of job: by its {base}, as {total} first jobs of other kinds bore out"
        return Credit(kind, why)
    on = f" on {way.fit.on}" if way.fit.on else ""
    attempts = "1 attempt" if total == 1 else f"{total} attempts"
    lacking = "" if way is voice.way else f" that needs no {best.on or best.base}"
    why = f"{base}{on}, the cheapest way so far{lacking} in {attempts} of {voice.key}"
    return Credit(Source.MODEL if base in ("model", HIGH) else Source.FAMILY, why)


def _was_killed(families: Families, keys: Sequence[str], target: str) -> bool:
    return any(
        found is not None and bool(found.killed)
        for found in (families.series.get((key, target)) for key in keys)
    )


def _under_request(said: Answer, rows: Rows, target: str, seen: Vector) -> None:
    """A new kind of job is given no more than it asks for, which is mostly enough; nor less than
    the most that it was `seen` to need.
    """
    asked = np.maximum(rows.number(REQUESTED.get(target, "")), np.exp(seen)[rows.family])
    said.give = np.where(np.isfinite(asked), np.minimum(said.give, asked), said.give)


def _most_of_new(families: Families, keys: Sequence[str], target: str) -> float:
    """The log of the most that a new kind of job needed so far, -inf for nothing; NaN: not new."""
    if families.total(keys[0], target) >= NEW or _was_killed(families, keys, target):
        return np.nan
    return families.most(keys[0], target)


def _over_kills(said: Answer, rows: Rows, target: str, families: Families) -> None:
    """A kind of job that was only ever killed needs more than it had; how much more, nobody knows.

    `BLIND` is what a retry grows by: too little costs one more attempt, too much a little memory.
    """
    for place, keys in enumerate(rows.families):
        series = families.series.get((keys[0], target))
        if series is None or series.total or not series.killed:
            continue
        least = float(np.exp(max(kill.log for kill in series.killed)))
        heard = np.where(np.isfinite(said.give), said.give, 0.0)
        short = np.flatnonzero((rows.family == place) & (heard < BLIND * least))
        said.p50[short], said.p95[short], said.give[short] = least, BLIND * least, BLIND * least
        if len(short):
            why = f"killed at {least:,.0f} MiB and never seen to end well: more than that"
            said.credit(short, Source.FAMILY, why)
