"""A table of parameters as bytes to send: a file, a DataFrame, or any rows; never whole in memory.

The body is the sweep's template as one line of JSON, and then the table in its own format
(docs/reference/api.md).
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from headgate.errors import InvalidInput, show

NDJSON = "application/x-ndjson"
CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"

#: File endings and what they are sent as; the text formats may also end in `.gz`.
FORMATS = {
    ".csv": CSV,
    ".jsonl": NDJSON,
    ".ndjson": NDJSON,
    ".parquet": PARQUET,
    ".pq": PARQUET,
}
PIECE_BYTES = 1 << 20
ROWS_A_PIECE = 4096

#: A path, rows, or a DataFrame of pandas or polars, which is known by its methods.
Table = Any


@dataclass(frozen=True, slots=True)
class Upload:
    """How to send a table. `body` makes the bytes anew for each try, if that is possible."""

    content_type: str
    body: Callable[[], Iterator[bytes]]
    repeatable: bool = True


def upload(template: bytes, table: Table) -> Upload:
    """The template's line with the table behind it; `InvalidInput` for what is no table."""
    sent = _upload(table)

    def body() -> Iterator[bytes]:
        yield template + b"\n"
        yield from sent.body()

    return Upload(sent.content_type, body, sent.repeatable)


def _upload(table: Table) -> Upload:
    if isinstance(table, (str, os.PathLike)):
        return _from_file(Path(table))
    if hasattr(table, "write_parquet"):  # a polars DataFrame
        return Upload(PARQUET, lambda: _written(table.write_parquet))
    if hasattr(table, "to_parquet") and hasattr(table, "iloc"):  # a pandas DataFrame
        return _from_pandas(table)
    if isinstance(table, Iterable) and not isinstance(table, (bytes, Mapping)):
        return Upload(NDJSON, lambda: ndjson(table), repeatable=iter(table) is not table)
    raise InvalidInput.of("table", table, "a DataFrame, rows as mappings, or the path of a file")


def _from_file(path: Path) -> Upload:
    endings = path.suffixes[-2:]
    zipped = endings[-1:] == [".gz"]
    kind = FORMATS.get(endings[-2 if zipped else -1] if len(endings) > zipped else "")
    if kind is None or (zipped and kind == PARQUET):
        raise InvalidInput.of("table", str(path), f"a file ending in {', '.join(sorted(FORMATS))}")
    if not path.is_file():
        raise InvalidInput.of("table", str(path), "a file that exists")

    def body() -> Iterator[bytes]:
        with path.open("rb") as file:
            yield from _pieces(gzip.GzipFile(fileobj=file) if zipped else file)

    return Upload(kind, body)


def _from_pandas(frame: Any) -> Upload:
    """Parquet by pandas itself; rows where pandas has no Parquet library."""
    gaps = frame.isna()
    for name in gaps.columns[gaps.columns.duplicated()]:
        raise InvalidInput.of("table.columns", scalar(name), "names, each of them once")
    missing = gaps.any()
    for column in missing.index[missing]:
        row = int(frame[column].isna().to_numpy().argmax())
        # Parquet would turn NaN into an innocent null.
        got = scalar(frame[column].iloc[row])
        raise InvalidInput.of(f"table.{row}.{column}", got, "a value")

    def body() -> Iterator[bytes]:
        try:
            yield from _written(lambda file: frame.to_parquet(file, index=False))
        except ImportError:
            raise InvalidInput(
                "pandas needs pyarrow to send a DataFrame; or give its rows: "
                "table=frame.to_dict('records')"
            ) from None
        except (TypeError, ValueError, NotImplementedError) as error:
            _refuse_values(frame)
            # As Arrow has them; the last of its words name the column.
            words = "; ".join(map(str, error.args))
            allowed = f"columns of one kind each, or rows: frame.to_dict('records') ({words})"
            raise InvalidInput.of("table", "a DataFrame", allowed) from error

    return Upload(PARQUET, body)


def _refuse_values(frame: Any) -> None:
    """Name the first value that is no scalar: a path, say, which Arrow does not know."""
    for column in frame.columns:
        for row, value in enumerate(map(scalar, frame[column])):
            if not isinstance(value, (str, int, float)):
                allowed = f"a number, text, true or false; as text: frame[{column!r}].astype(str)"
                raise InvalidInput.of(f"table.{row}.{column}", value, allowed)


def _written(write: Callable[[IO[bytes]], object]) -> Iterator[bytes]:
    with tempfile.TemporaryFile() as file:
        write(file)
        file.seek(0)
        yield from _pieces(file)


def _pieces(file: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


def ndjson(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Rows as lines of JSON, some thousands at a time; the error names the row."""
    encode = json.JSONEncoder(allow_nan=False, default=plain, separators=(",", ":")).encode
    numbered = enumerate(rows)
    while piece := list(islice(numbered, ROWS_A_PIECE)):
        yield "".join(_line(encode, index, row) for index, row in piece).encode()


def _line(encode: Callable[[object], str], index: int, row: object) -> str:
    if not isinstance(row, Mapping):
        raise InvalidInput.of(f"table.{index}", row, "a row as a mapping of names to values")
    try:
        return encode(dict(row)) + "\n"
    except (TypeError, ValueError) as error:
        raise InvalidInput.of(
            f"table.{index}", row, f"finite numbers, text, true, false and null ({error})"
        ) from error


def plain(value: Any) -> Any:
    """A NumPy value as Python's own; anything else that JSON does not know is refused."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{show(value)} is no scalar")


def scalar(value: Any) -> Any:
    """A NumPy value as Python's own; everything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value
