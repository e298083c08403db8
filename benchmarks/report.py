"""What every benchmark shares: its command line, its table, and the JSON line at the end."""

from __future__ import annotations

import argparse
import json
import operator
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from headgate.errors import InvalidInput

COMPARE = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}


@dataclass(frozen=True, slots=True)
class Result:
    """One measured claim.

    `against` holds what the peers or the bound gave in the same run, in the same unit. `target` is
    a comparison such as "<= 1.005"; it judges `ratio`, or `value` where there is no ratio.
    """

    name: str
    value: float
    unit: str
    n: int
    seconds: float
    against: Mapping[str, float] = field(default_factory=dict)
    ratio: float | None = None
    target: str | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where nothing was promised."""
        if self.target is None:
            return None
        sign, limit = self.target.split()
        return bool(COMPARE[sign](self.value if self.ratio is None else self.ratio, float(limit)))

    def as_dict(self) -> dict[str, object]:
        return asdict(self) | {"against": dict(self.against), "met": self.met}


@dataclass(frozen=True, slots=True)
class Options:
    """A benchmark's command line."""

    quick: bool
    json: bool
    seed: int
    path: Path | None


Measure = Callable[[Options], Iterable[Result]]


def main(measure: Measure, description: str | None, argv: Sequence[str] | None = None) -> None:
    """Run one benchmark: `main(measure, __doc__)` is all that its module needs at its foot."""
    options = parse(description, argv)
    results = []
    try:
        for result in measure(options):
            results.append(result)
            print(in_a_line(result), file=sys.stderr)  # some take an hour, and are stopped
    except InvalidInput as error:
        sys.exit(str(error))
    Console(width=140).print(table(results))
    if options.json:
        print(json.dumps([result.as_dict() for result in results]))


def parse(description: str | None, argv: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", nargs="?", type=Path, help="measure on this file")
    parser.add_argument("--quick", action="store_true", help="under a minute on two cores")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--seed", type=int, default=1996)
    given = parser.parse_args(argv)
    if given.path is not None and not given.path.is_file():
        parser.error(f"PATH: got {str(given.path)!r}; allowed: a file that exists")
    return Options(given.quick, given.json, given.seed, given.path)


def table(results: Iterable[Result]) -> Table:
    shown = Table("claim", "value", "against", "ratio", "target", "met", "n", "seconds")
    for result in results:
        peers = ", ".join(f"{name} {number(value)}" for name, value in result.against.items())
        ratio = "" if result.ratio is None else f"{result.ratio:.4f}"
        verdict = {True: "[green]yes", False: "[red]no", None: ""}[result.met]
        value = f"{number(result.value)} {result.unit}"
        counts = (f"{result.n:,}", f"{result.seconds:.2f}")
        shown.add_row(result.name, value, peers, ratio, result.target or "", verdict, *counts)
    return shown


def in_a_line(result: Result) -> str:
    ratio = "" if result.ratio is None else f", {result.ratio:.4f} x"
    return f"{result.name}: {number(result.value)} {result.unit}{ratio}"


def number(value: float) -> str:
    """Six digits say enough; thousands are set apart."""
    return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:.6g}"
