"""CSV as columns. Every cell is text first; a column whose cells are all numbers becomes numbers.

The cells decide, not a guess from the first rows: `007` stays text, and so does a whole chunk with
one word among its numbers.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from headgate.errors import InvalidInput

#: Arrow's reader keeps some 32 blocks in hand.
BLOCK_BYTES = 1 << 20
#: Up to 18 digits, which are sure to fit 64 bits.
WHOLE = r"^-?(0|[1-9][0-9]{0,17})$"
#: Up to 15 digits before the point, which a double holds exactly: a long identifier stays text.
NUMBER = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
GAPS = pa.array(["", "NaN", "nan", "NAN"])


def read_csv(file: BinaryIO) -> Iterator[pa.RecordBatch]:
    """Batches of rows, a few MiB each; the first line names the columns.

    `InvalidInput` names a row (from 0) that is ragged, or that is empty or NaN in a column.
    """
    names = header(file)
    odd: list[pcsv.InvalidRow] = []

    def note(row: pcsv.InvalidRow) -> str:
        odd.append(row)
        return "error"

    row = 0
    try:
        for batch in reader(file, names, note):
            yield typed(batch, row)
            row += batch.num_rows
    except pa.ArrowException as error:
        raise blame(odd, error) from error


def reader(
    file: BinaryIO, names: list[str], note: Callable[[pcsv.InvalidRow], str]
) -> Iterator[pa.RecordBatch]:
    reading = pcsv.open_csv(
        file,
        # One thread, since only then the parser knows the numbers of rows.
        pcsv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        pcsv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
        pcsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )
    return iter(reading)


def header(file: BinaryIO) -> list[str]:
    """The names in the first line, each `InvalidInput` unless it is text; the file is left where
    it was."""
    start = file.tell()
    line = file.readline(1 << 20)
    file.seek(start)
    try:
        return next(csv.reader([line.decode("utf-8-sig")]), [])
    except UnicodeDecodeError as error:
        raise InvalidInput.of("table.columns", line, f"names in UTF-8 ({error})") from error


def blame(odd: list[pcsv.InvalidRow], error: Exception) -> InvalidInput:
    """The row that the parser stumbled over. It counts lines from 1, the header's first."""
    if not odd:
        return InvalidInput.of("table", "bytes", f"CSV with a header line ({error})")
    row = odd[0]
    allowed = f"{row.expected_columns} cells, as the header has"
    return InvalidInput.of(f"table.{row.number - 2}", f"{row.actual_columns}: {row.text}", allowed)


def typed(batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
    names = batch.schema.names
    columns = [
        numbers(cells, name, first) for name, cells in zip(names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, names=names)


def numbers(cells: pa.Array, name: str, first: int) -> pa.Array:
    """The cells as numbers if they all are, else as they are."""
    gap = pc.index(pc.is_in(cells, GAPS), True).as_py()
    if gap >= 0:
        where = f"table.{first + gap}.{name}"
        raise InvalidInput.of(where, cells[gap].as_py(), "a value in every cell")
    if all_match(cells, WHOLE):
        return cells.cast(pa.int64())
    if all_match(cells, NUMBER):
        return cells.cast(pa.float64())
    return cells


def all_match(cells: pa.Array, pattern: str) -> bool:
    # A look at the first cell spares most columns of text the whole scan.
    head = cells.slice(0, 1)
    return all(
        bool(pc.all(pc.match_substring_regex(part, pattern)).as_py()) for part in (head, cells)
    )
