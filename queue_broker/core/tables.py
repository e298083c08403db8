"""A table sweep: rows in, compressed columnar chunks out, a bounded piece at a time.

The body was spooled to a file first, so that a client that hangs up leaves nothing in the store, a
slow one holds no transaction, and Parquet can be read from its footer.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headgate.errors import InvalidInput
from headgate.job import MAX_SWEEP_SIZE, Job
from queue_broker.core.csv_rows import read_csv
from queue_broker.core.hints import check_hints
from queue_broker.core.json_rows import read_ndjson
from queue_broker.records import Accepted, Chunk, Submission

if TYPE_CHECKING:
    from queue_broker.ports import Intake

#: Rows in a chunk, and its bytes before compression: what a look at one task has to decode.
CHUNK_ROWS = 65_536
CHUNK_BYTES = 16 << 20
#: Columns that a table may have.
MAX_COLUMNS = 1000

COMPRESSED = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", 1))


class Format(StrEnum):
    """How a table is sent, by its media type."""

    NDJSON = "application/x-ndjson"
    CSV = "text/csv"
    PARQUET = "application/vnd.apache.parquet"


READERS = {Format.NDJSON: read_ndjson, Format.CSV: read_csv}


def keep_table(intake: Intake, submission: Submission, file: BinaryIO, kind: Format) -> Accepted:
    """All of a table, or nothing of it: nobody sees the sweep until its last row is checked."""
    accepted = intake.begin_table(submission)
    if accepted.known:
        return accepted
    try:
        size = 0
        for chunk in chunks(checked(batches(file, kind), submission.job)):
            intake.add_chunk(submission.job_id, chunk)
            size += chunk.rows
        if not size:
            raise InvalidInput.of("table", "no row", "at least one row")
        check_hints(submission.job, size)
        intake.seal_table(submission.job_id, size)
    except BaseException:
        intake.drop_table(submission.job_id)
        raise
    finally:
        # Arrow keeps what it has freed for its next use; here that may be weeks away.
        pa.default_memory_pool().release_unused()
    return accepted


def batches(file: BinaryIO, kind: Format) -> Iterator[pa.RecordBatch]:
    """The rows, some thousands at a time. `InvalidInput` names the row that cannot be read."""
    return read_parquet(file) if kind is Format.PARQUET else READERS[kind](file)


def read_parquet(file: BinaryIO) -> Iterator[pa.RecordBatch]:
    try:
        parquet = pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
        yield from map(plain, parquet.iter_batches(CHUNK_ROWS, use_threads=False))
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput.of("table", "bytes", f"a Parquet file ({error})") from error


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Dictionaries and small floats spelt out, so that every reader of chunks knows the types."""
    columns = [spelt_out(batch.column(at)) for at in range(batch.num_columns)]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def spelt_out(array: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_float16(array.type):
        return array.cast(pa.float32())
    if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type):
        return array.cast(pa.string())
    return array


def checked(found: Iterator[pa.RecordBatch], job: Job) -> Iterator[pa.RecordBatch]:
    """The batches, as long as nothing is wrong with them."""
    names: list[str] | None = None
    rows = 0
    for batch in found:
        if names is None:
            names = batch.schema.names
            check_names(names, job)
        if rows + batch.num_rows > MAX_SWEEP_SIZE:
            raise InvalidInput.of("table", "more rows", f"at most {MAX_SWEEP_SIZE:,} rows")
        for field, column in zip(batch.schema, batch.columns, strict=True):
            check_column(field, column, rows)
        rows += batch.num_rows
        yield batch


def check_names(names: list[str], job: Job) -> None:
    if not 0 < len(names) <= MAX_COLUMNS:
        raise InvalidInput.of("table", f"{len(names)} columns", f"1 to {MAX_COLUMNS} columns")
    for name in names:
        if not name or names.count(name) > 1:
            raise InvalidInput.of("table.columns", name, "names, each of them once")
    unknown = sorted(job.placeholders() - job.parameters.keys() - set(names))
    if unknown:
        have = ", ".join(sorted({*job.parameters, *names}))
        raise InvalidInput.of("job.command", f"Ref::{unknown[0]}", f"a parameter: {have}")


def check_column(field: pa.Field, column: pa.Array, first: int) -> None:
    """Only scalars that JSON has, too; in columns of broken numbers a gap is a NaN in disguise."""
    kind = field.type
    if pa.types.is_floating(kind):
        good = pc.is_finite(column).fill_null(False)
        at = pc.index(good, False).as_py()
        if at >= 0:
            where = f"table.{first + at}.{field.name}"
            raise InvalidInput.of(where, column[at].as_py(), "a finite number")
        return
    if not (
        pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_string(kind)
        or pa.types.is_null(kind)
    ):
        allowed = "numbers, text, true, false or null; dates and the like as text"
        raise InvalidInput.of(f"table.columns.{field.name}", str(kind), allowed)


def chunks(found: Iterator[pa.RecordBatch]) -> Iterator[Chunk]:
    """Batches of any size as chunks, numbered by their first row."""
    first = 0
    for batch in found:
        for part in parts(batch):
            yield Chunk(first, part.num_rows, encode(part))
            first += part.num_rows


def parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch in pieces that are small enough for a chunk."""
    rows = batch.num_rows
    pieces = max(-(-rows // CHUNK_ROWS), -(-batch.nbytes // CHUNK_BYTES), 1)
    step = max(1, -(-rows // pieces))
    return (batch.slice(at, step) for at in range(0, rows, step))


def encode(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=COMPRESSED) as writer:
        writer.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def decode(data: bytes) -> pa.Table:
    """The rows of a chunk."""
    with pa.ipc.open_stream(data) as stream:
        return stream.read_all()


def format_of(content_type: str) -> Format:
    """The format that a media type names; `InvalidInput` lists the known ones."""
    media = content_type.partition(";")[0].strip().lower()
    for kind in Format:
        if media == kind:
            return kind
    raise InvalidInput.of("content-type", media, f"one of {', '.join(Format)}")
