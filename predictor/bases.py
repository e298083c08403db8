"""Ways to foretell the middle of a family's need, each with honest errors on its own past.

A base is fitted on a window and answers with a centre for any task, and with the errors that it
made on each past task when that task was left out. All in log: an error of 0.1 is about 10 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from predictor.regression import Line, logged, robust
from predictor.risk import Vector
from predictor.window import Known, Window

Centre = Callable[[Known], Vector]

#: The model's bound as a base: where errors are wide, it is far from the middle already
#: (conformalised quantile regression: Romano, Patterson and Candes, 2019).
HIGH = "model's bound"
#: Fits with inputs want this many attempts.
MIN_FIT = 5
RECENT, FEWEST = 8, 3
#: Neighbours on either side.
SIDE = 2
#: So many inputs, those that move most with the need, are tried alone.
TRIED = 2
#: At most so many are fitted together.
JOINT = 6
#: Inputs that move together leave a joint fit open far out: it is believed up to four times the
#: most that was seen; like a line, not below the least.
JOINT_REACH = float(np.log(4.0))
#: The chance that an input without any meaning is taken for one that has some.
BY_CHANCE = 0.1
#: Where a line may bend: these quantiles of its input.
BENDS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Fit:
    """A fitted base: the log centre of any task, and its left-out errors, NaN where it has none."""

    base: str
    centre: Centre
    errors: Vector
    on: str = ""

    @cached_property
    def middle(self) -> float:
        return float(np.nanmedian(self.errors))

    @property
    def spread(self) -> float:
        return float(np.nanmean(np.abs(self.errors)))

    @cached_property
    def scatter(self) -> float:
        """The mean distance of the errors from their median: what is left of a way that is off
        by as much each time.
        """
        return float(np.nanmean(np.abs(self.errors - self.middle)))


def fits(window: Window) -> Iterator[Fit]:
    """Every base that the window has the data for, the simplest first."""
    yield level(window)
    yield from given("request", window, window.known.asked, lambda known: known.asked)
    yield from given("model", window, window.known.model, lambda known: known.model)
    yield from given(HIGH, window, window.known.high, lambda known: known.high)
    if len(window) < MIN_FIT:
        return
    yield from recent(window)
    strong = strongest(window)
    names = strong[:TRIED]
    if not names:
        return
    learnt = [
        line(window, names, True),
        line(window, names, False),
        near(window, names, np.nanmean),
    ]
    yield from learnt
    yield near(window, names, np.nanmax)
    if len(window) >= 2 * MIN_FIT:
        yield line(window, names[:1], True, bends=True)
        yield line(window, names[:1], False, bends=True)
        learnt += power(window, strong[:JOINT])
        yield from learnt[3:]
    yield from blend(window, min(learnt, key=lambda fit: fit.spread))


def level(window: Window) -> Fit:
    """The median of what was needed."""
    middle = float(np.median(window.logs))
    return Fit("level", lambda known: np.full(known.size, middle), window.logs - middle)


def recent(window: Window) -> Iterator[Fit]:
    """The median of the last few, for families that drift. Its errors are those of each task by
    what had ended when it started: of a hundred that ran side by side, the last few were no help.
    """
    logs = window.logs
    middle = float(np.median(logs[-RECENT:]))
    padded = np.concatenate([np.full(RECENT, np.nan), logs])
    ended = np.lib.stride_tricks.sliding_window_view(padded, RECENT)
    told = window.before >= FEWEST
    errors = np.full(len(logs), np.nan)
    errors[told] = logs[told] - medians(ended[window.before[told]])
    if told.sum() >= MIN_FIT:
        yield Fit("recent", lambda known: np.full(known.size, middle), errors)


def medians(rows: Vector) -> Vector:
    """Of the numbers in each row, of which some may be NaN: `np.nanmedian`, in a tenth of its time
    where rows are short."""
    ordered, count = np.sort(rows, axis=1), np.isfinite(rows).sum(axis=1)
    each = np.arange(len(rows))
    low, high = ordered[each, (count - 1) // 2], ordered[each, count // 2]
    middles: Vector = (low + high) / 2
    return middles


def given(base: str, window: Window, numbers: Vector, centre: Centre) -> Iterator[Fit]:
    """A number that came with the task (its request, the model's answer), taken as it is."""
    if np.isfinite(numbers).sum() >= 2:
        yield Fit(base, centre, window.logs - numbers)


def strongest(window: Window) -> list[str]:
    """The inputs whose ranks move with the need's more than chance lets them, the strongest
    first. Each is judged on the attempts that knew it.
    """
    names = list(window.known.inputs)
    if not names:
        return []
    values = np.vstack(list(window.known.inputs.values()))
    there = np.isfinite(values)
    count = there.sum(axis=1)
    inputs = _centred(np.argsort(np.argsort(values)), there)
    needs = _centred(np.tile(np.argsort(np.argsort(window.logs)), (len(names), 1)), there)
    size = np.sqrt((inputs**2).sum(axis=1) * (needs**2).sum(axis=1))
    strength = np.abs((inputs * needs).sum(axis=1)) / np.maximum(size, 1e-12)
    least = np.sqrt(2 * np.log(len(names) / BY_CHANCE) / count)
    order = np.argsort(-strength, kind="stable")
    return [names[place] for place in order if strength[place] > least[place]]


def _centred(ranks: npt.NDArray[np.intp], there: npt.NDArray[np.bool_]) -> Vector:
    """Ranks about their mean by row, none where the input was not known."""
    means = (ranks * there).sum(axis=1) / there.sum(axis=1)
    return np.where(there, ranks - means[:, None], 0.0)


def line(window: Window, names: list[str], logarithmic: bool, bends: bool = False) -> Fit:
    """The best robust line on one input, in log or as it is, straight or bent once."""
    tried = [
        _line(window, name, logarithmic, bend)
        for name in names
        for bend in (BENDS if bends else (None,))
    ]
    return min(tried, key=lambda fit: fit.spread)


def _line(window: Window, name: str, logarithmic: bool, bend: float | None) -> Fit:
    there = np.isfinite(window.known.inputs[name])
    best = Line.of(window.logs[there], window.known.inputs[name][there], logarithmic, bend)
    base = ("" if bend is None else "bent ") + ("power law" if logarithmic else "line")
    read = window.reader(name)
    return Fit(base, lambda known: best.centre(read(known)), _all(best.errors, there), name)


def _all(errors: Vector, there: npt.NDArray[np.bool_]) -> Vector:
    """The errors of the attempts that a fit was made on, NaN at the others."""
    everyone = np.full(len(there), np.nan)
    everyone[there] = errors
    return everyone


def power(window: Window, names: list[str]) -> list[Fit]:
    """A power law in all the inputs at once, ridged; for sweeps over several sizes."""
    raw = np.column_stack([logged(window.known.inputs[name]) for name in names])
    there = np.isfinite(raw.sum(axis=1))
    if len(names) < 2 or there.sum() < 2 * len(names) + 2:
        return []
    raw, needs = raw[there], window.logs[there]
    middle, spread = raw.mean(axis=0), raw.std(axis=0) + 1e-12
    design = np.column_stack([np.ones(len(raw)), (raw - middle) / spread])
    solution, left_out = robust(design, needs, np.ones(len(raw)), ridge=0.1)
    low, high = needs.min(), needs.max() + JOINT_REACH
    readers = [window.reader(name) for name in names]

    def centre(known: Known) -> Vector:
        rows = np.column_stack([logged(read(known)) for read in readers])
        logs: Vector = solution[0] + ((rows - middle) / spread) @ solution[1:]
        return np.clip(logs, low, high)

    return [Fit("joint power law", centre, _all(needs - left_out, there), " x ".join(names))]


def near(window: Window, names: list[str], of: Callable[..., Vector]) -> Fit:
    """The mean (or the most) of the nearest past tasks by one input."""
    return min((_near(window, name, of) for name in names), key=lambda fit: fit.spread)


def _near(window: Window, name: str, of: Callable[..., Vector]) -> Fit:
    x = window.known.inputs[name]
    order = np.argsort(x, kind="stable")[: int(np.isfinite(x).sum())]
    ordered, logs = x[order], window.logs[order]
    edge = np.full(SIDE, np.nan)
    padded = np.concatenate([edge, logs, edge])
    sides = [padded[shift : shift + len(logs)] for shift in range(2 * SIDE + 1) if shift != SIDE]
    errors = np.full(len(x), np.nan)
    errors[order] = logs - of(sides, axis=0)

    read = window.reader(name)

    def centre(known: Known) -> Vector:
        values = read(known)
        place = np.searchsorted(ordered, values)
        around = [padded[place + shift] for shift in range(2 * SIDE)]
        return np.where(np.isfinite(values), of(around, axis=0), np.nan)

    return Fit("nearest" if of is np.nanmean else "most of the nearest", centre, errors, name)


def blend(window: Window, other: Fit) -> Iterator[Fit]:
    """Half the trained model, half the family's best own fit; where enough attempts had both: the
    input of the one may be known of none that the other has an answer for.
    """
    model = window.known.model
    errors = (other.errors + window.logs - model) / 2
    if np.isfinite(errors).sum() < MIN_FIT:
        return

    def centre(known: Known) -> Vector:
        return (other.centre(known) + known.model) / 2

    yield Fit("model and " + other.base, centre, errors, other.on)
