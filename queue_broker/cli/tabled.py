"""Tables and traces on disk, for `headgate history import`: some rows at a time."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from headgate.errors import InvalidInput
from queue_broker.cli.screen import waiting

if TYPE_CHECKING:
    from training.imports import Import, Row

#: Of equals the first: a table of one column has none.
SEPARATORS = (",", "\t", ";")
#: Cells that say nothing, as table programs write them; the last is a separator at a row's end.
GAPS = (None, "", "NA", "N/A", "n/a", "<NA>", "NaN", "nan", "NULL", "null", "None", [""])


def read_file(file: Path, zone: str) -> Iterator[Import]:
    """A table or a trace, by its suffix and its columns; a folder is one of Parquet files."""
    try:
        yield from read_parquet(file) if is_parquet(file) else read_text(file, zone)
    except InvalidInput:
        raise
    except (ValueError, OSError, EOFError, csv.Error) as error:
        raise InvalidInput.of(
            "FILE", str(file), f"a readable CSV or Parquet file ({error})"
        ) from error


def is_parquet(file: Path) -> bool:
    return file.is_dir() or file.suffix == ".parquet"


def read_parquet(file: Path) -> Iterator[Import]:
    """Of a folder each file by its own columns: an older one may lack some."""
    import pyarrow.dataset as ds

    from training.import_table import from_rows
    from training.imports import AT_ONCE

    whole = ds.dataset(file, format="parquet")
    parts = list(whole.get_fragments())
    names = {name for part in parts for name in part.physical_schema.names}
    batches = (batch for part in parts for batch in part.to_batches(batch_size=AT_ONCE))
    rows = (row for batch in batches for row in batch.to_pylist())
    yield from from_rows(names, shown(rows, whole.count_rows()))


def read_text(file: Path, zone: str) -> Iterator[Import]:
    """Nextflow puts nothing in quotes, and a cell may hold them, or the separator: then a row has
    cells to spare. A trace with commas was written by something else.
    """
    from training.import_nextflow import from_trace, is_trace, written
    from training.import_table import from_rows

    separator, columns = heading(file)
    if not is_trace(columns):
        size, rows = counted(file, Form(separator))
        full = ({name: cell for name, cell in row.items() if cell not in GAPS} for row in rows)
        yield from from_rows(columns, shown(full, size))
        return
    form = Form(separator, csv.QUOTE_MINIMAL if separator == "," else csv.QUOTE_NONE)
    size, rows = counted(file, form)
    ends_s = written(file.stat().st_mtime, size)
    yield from from_trace(columns, shown(rows, size), zone, ends_s)


def opened(file: Path) -> TextIO:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8-sig", newline="")
    return file.open(encoding="utf-8-sig", newline="")


def heading(file: Path) -> tuple[str, list[str]]:
    """The separator, which Nextflow lets a user choose, and the columns."""
    with opened(file) as lines:
        first = lines.readline()
    if not first.strip():
        raise ValueError("its first line is empty")
    separator = max(SEPARATORS, key=first.count)
    return separator, next(csv.reader([first], delimiter=separator), [])


@dataclass(frozen=True, slots=True)
class Form:
    """How a file of text is cut into cells."""

    separator: str
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL


def counted(file: Path, form: Form) -> tuple[int, Iterator[Row]]:
    """How many rows there are, and then the rows: whoever waits for a million wants to know."""
    with opened(file) as lines:
        found = csv.reader(lines, delimiter=form.separator, quoting=form.quoting)
        size = sum(1 for row in found if row) - 1
    return size, rows_of(file, form)


def rows_of(file: Path, form: Form) -> Iterator[dict[str, Any]]:
    """Cells by their columns; those beyond the columns are kept as one more."""
    from training.imports import SURPLUS

    with opened(file) as lines:
        yield from csv.DictReader(
            lines, delimiter=form.separator, quoting=form.quoting, restkey=SURPLUS
        )


def shown(rows: Iterable[Row], size: int) -> Iterator[Row]:
    with waiting() as bar:
        yield from bar.track(rows, total=size, description="read")
