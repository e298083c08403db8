"""NDJSON as columns: Arrow's parser for what is regular, Python's for the rest and for the blame.

Arrow fills a missing name with null, guesses kinds block by block, and makes 1 among broken
numbers 1.0. So it gets the kinds of the first row, and a block where one of these may have happened
is read again row by row, which tells an honest null from a ragged row, and keeps a column of
mixed kinds as it was sent.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from headgate.errors import InvalidInput

#: In a field's metadata: the column holds JSON texts, since its values are of several kinds.
JSON_ENCODED = b"headgate.json"

BLOCK_BYTES = 4 << 20
#: Rows that are read one by one take some thirty times their bytes: so many bytes at once.
PIECE_BYTES = 128 << 10
MAX_ROW_BYTES = 1 << 20

KINDS = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
INT64 = range(-(2**63), 2**63)


def read_ndjson(file: BinaryIO) -> Iterator[pa.RecordBatch]:
    """Batches of rows, a few MiB each. `InvalidInput` names the row (from 0) and what is wrong."""
    schema: pa.Schema | None = None
    row = 0
    for block in blocks(file):
        if schema is None:
            schema = first_schema(block)
        for batch in read_block(block, schema, row):
            row += batch.num_rows
            yield batch


def read_block(block: bytes, schema: pa.Schema, first: int) -> Iterator[pa.RecordBatch]:
    """A block as few batches: only the pieces that are odd are read row by row."""
    whole = regular(block, schema)
    if whole is not None:
        yield whole
        return
    found: list[pa.RecordBatch] = []
    for piece in pieces(block):
        batch = regular(piece, schema) or irregular(piece, schema.names, first)
        first += batch.num_rows
        if found and not batch.schema.equals(found[0].schema, check_metadata=True):
            yield joined(found)
            found = []
        found.append(batch)
    yield joined(found)


def pieces(block: bytes) -> Iterator[bytes]:
    """The block cut again at line ends; none is blank."""
    start = 0
    while start < len(block):
        stop = block.find(b"\n", start + PIECE_BYTES) + 1 or len(block)
        if block[start:stop].strip():
            yield block[start:stop]
        start = stop


def joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """The file cut at line ends. No block is blank."""
    rest = b""
    while piece := file.read(BLOCK_BYTES):
        block, _, rest = (rest + piece).rpartition(b"\n")
        if len(rest) > MAX_ROW_BYTES:
            raise InvalidInput.of("table", rest[:80], f"rows of at most {MAX_ROW_BYTES:,} bytes")
        if len(piece) < BLOCK_BYTES:  # the end: its last line may have no line end
            block, rest = block + b"\n" + rest, b""
        if block.strip():
            yield block
    if rest.strip():
        yield rest


def first_schema(block: bytes) -> pa.Schema:
    """The names and kinds of the first row."""
    line = next(line for line in block.split(b"\n") if line.strip())
    values = parse_row(line, 0)
    return pa.schema([(name, KINDS.get(type(one), pa.null())) for name, one in values.items()])


def regular(block: bytes, schema: pa.Schema) -> pa.RecordBatch | None:
    """The block if all its rows are like the first one of the table, else None."""
    if b"NaN" in block or b"Infinity" in block:
        return None  # Arrow's parser would take them
    try:
        table = pj.read_json(
            io.BytesIO(block),
            pj.ReadOptions(use_threads=False, block_size=len(block) + 1),
            pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
        )
    except pa.ArrowException:
        return None
    if table.schema.names != schema.names or any(map(ambiguous, table.columns)):
        return None
    batches = table.combine_chunks().to_batches()
    return batches[0] if len(batches) == 1 else None


def ambiguous(column: pa.ChunkedArray) -> bool:
    """Whether Arrow may have changed a value: a gap that was no null, or 1 that became 1.0."""
    if column.null_count:
        return True
    return pa.types.is_floating(column.type) and bool(
        pc.any(pc.equal(column, pc.floor(column))).as_py()
    )


def irregular(block: bytes, names: list[str], first: int) -> pa.RecordBatch:
    """The block row by row."""
    lines = (line for line in block.split(b"\n") if line.strip())
    rows = [
        check_row(parse_row(line, first + at), names, first + at) for at, line in enumerate(lines)
    ]
    columns = [column(name, [row[name] for row in rows]) for name in names]
    return pa.RecordBatch.from_arrays(
        [array for _, array in columns], schema=pa.schema([field for field, _ in columns])
    )


def parse_row(line: bytes, at: int) -> dict[str, Any]:
    def no_constant(name: str) -> NoReturn:
        raise InvalidInput.of(f"table.{at}", name, "finite numbers")

    try:
        row = json.loads(line, parse_constant=no_constant)
        if b"\\u" in line:  # the only way to half of a surrogate pair, which no column can hold
            json.dumps(row, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidInput.of(f"table.{at}", text(line), f"a JSON object ({error})") from error
    if not isinstance(row, dict):
        raise InvalidInput.of(f"table.{at}", text(line), "a JSON object")
    return row


def check_row(row: dict[str, Any], names: list[str], at: int) -> dict[str, Any]:
    if row.keys() != set(names):
        odd = sorted(row.keys() ^ set(names))[0]
        got = "an unknown column" if odd in row else "nothing"
        raise InvalidInput.of(
            f"table.{at}.{odd}", got, f"the first row's columns: {', '.join(names)}"
        )
    for name, value in row.items():
        if isinstance(value, (dict, list)):
            raise InvalidInput.of(
                f"table.{at}.{name}", value, "a number, text, true, false or null"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidInput.of(f"table.{at}.{name}", value, "a finite number")
    return row


def column(name: str, values: list[Any]) -> tuple[pa.Field, pa.Array]:
    """Values of one kind as Arrow's; of several, or with nulls among numbers, as JSON texts."""
    kinds = {type(value) for value in values}
    if len(kinds) == 1 and (kind := KINDS.get(kinds.pop())) and fits(kind, values):
        return pa.field(name, kind), pa.array(values, kind)
    texts = [json.dumps(value) for value in values]
    return pa.field(name, pa.string(), metadata={JSON_ENCODED: b"1"}), pa.array(texts, pa.string())


def fits(kind: pa.DataType, values: list[Any]) -> bool:
    return kind != pa.int64() or all(value in INT64 for value in values)


def text(line: bytes) -> str:
    return line.decode(errors="replace")
