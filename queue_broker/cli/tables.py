"""Files that the packing commands read: demands, and the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.errors import InvalidInput

if TYPE_CHECKING:
    import pandas as pd

    from packer.catalogue import InstanceType
    from packer.demand import Demand


Days = Annotated[float, typer.Option(min=0.01, help="Without FILE: how much of the history.")]
DataDir = Annotated[Path | None, typer.Option(help="Without FILE: the broker's data folder.")]
Used = Annotated[
    bool, typer.Option("--used", help="Of what ran: what it used, not what it was given.")
]


@dataclass(frozen=True, slots=True)
class Worked:
    """Which part of the broker's own history is meant where no file is named, and whether tasks
    count as they were given or as they were measured.
    """

    days: float
    data_dir: Path | None
    used: bool


def read_demands(path: Path | None, worked: Worked) -> list[Demand]:
    """The demands of a table, or of what ran: a history, or a trace. `InvalidInput` says what is
    wrong with it.
    """
    from packer.table import to_demands
    from queue_broker.cli.worked import demands_of, is_past, own_history

    frame = own_history(worked) if path is None else read_table(path)
    if path is None or is_past(frame):
        return demands_of(frame, worked.used)
    missing = {"vcpu", "memory_mib"} - set(frame.columns)
    if missing:
        columns = ", ".join(map(str, frame.columns[:12]))
        raise InvalidInput.of("FILE", columns, f"also the columns {', '.join(sorted(missing))}")
    return to_demands([{str(k): v for k, v in row.items()} for row in frame.to_dict("records")])


def read_table(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        packed = path.suffix == ".parquet" or path.is_dir()
        return pd.read_parquet(path) if packed else pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise InvalidInput.of("FILE", str(path), f"a CSV or Parquet table ({error})") from error


def read_types(path: Path | None) -> list[InstanceType]:
    """The types of a catalogue file, or of the one that comes with the package."""
    from packer.catalogue_file import built_in, read_rows, to_types

    try:
        text = path.read_text(encoding="utf-8") if path else built_in()
    except (UnicodeDecodeError, OSError) as error:
        raise InvalidInput.of("--catalogue", str(path), "a catalogue file") from error
    return list(to_types(read_rows(text)))


def chosen_types(
    path: Path | None, family: Sequence[str] | None, arch: str, at_most: int | None = None
) -> list[InstanceType]:
    """The types that the options keep; `InvalidInput` names a family that none is of."""
    from packer.selection import Selection, select

    known, built_for = read_types(path), any_arch(arch)
    for one in family or ():
        if not select(known, Selection((one,), built_for)):
            allowed = f"how a type's name begins, of arch {arch}: `headgate catalogue show` has all"
            raise InvalidInput.of("--family", one, allowed)
    return select(known, Selection(tuple(family or ()), built_for, at_most=at_most))


def any_arch(arch: str) -> str | None:
    """The architecture that is asked for; None for any. Most images are built for one alone."""
    if arch not in ("x86_64", "arm64", "any"):
        raise InvalidInput.of("--arch", arch, "x86_64, arm64 or any")
    return None if arch == "any" else arch
