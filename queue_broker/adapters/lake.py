"""History in a local folder: Parquet files, a folder a day, read with pyarrow alone.

    <root>/day=2026-08-31/<part>.parquet      the rows of one part that ended on that day (UTC)

The columns are `predictor.history.SCHEMA`. Any tool that knows Hive partitions can read it too.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from headgate.errors import InvalidInput, Unavailable
from headgate.usage import Observation
from predictor.history import SCHEMA, concatenate, pieces
from queue_broker.adapters.files import sync_folder, write_whole

PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
DAY = "day="
DAY_S = 86_400
#: pandas' own integers and booleans cannot hold a null; these can, so that 3 does not become 3.0.
NULLABLE = {
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}


ENDED = "finished_at_s"
#: Reads the rows of a day that ended at some time or later, some columns of them.
ReadDay = Callable[[float | None, Sequence[str]], pa.Table]
#: Goes through the pieces of a part that is written, as slowly as it likes.
Pace = Callable[[Iterable[pa.Table]], Iterable[pa.Table]]


class FolderLake:
    """The lake of one machine. Readers see each file whole or not at all."""

    def __init__(self, root: Path, pace: Pace = iter) -> None:
        self.root = root
        self._pace = pace

    def write(self, observations: Sequence[Observation], part: str) -> None:
        """Keep a part, durably. Cut short by a crash, it must be written again."""
        self.write_rows(concatenate(self._pace(pieces(observations))), part)

    def write_rows(self, rows: pa.Table, part: str) -> None:
        """The same, of rows in the lake's own columns."""
        by_day = dealt(rows, part)
        before = set(self.root.glob(f"{DAY}*/{part}.parquet"))
        after = {self._write_day(day, some, part) for day, some in by_day.items()}
        for stale in sorted(before - after):
            stale.unlink()

    def read(
        self,
        since_s: float | None = None,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
        until_s: float | None = None,
    ) -> pd.DataFrame:
        """Rows that ended at `since_s` or later and before `until_s`, oldest first; the latest
        `limit` of them.

        Only the days and the `columns` that are asked for are read. `Unavailable` names a file that
        is no Parquet.
        """
        days = (partial(read_day, one, until_s=until_s) for one in self._days(since_s, until_s))
        return read_days(days, since_s, limit, columns)

    def _write_day(self, day: str, rows: pa.Table, part: str) -> Path:
        folder = self.root / f"{DAY}{day}"
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(self.root)
        sink = io.BytesIO()
        pq.write_table(rows, sink, compression="zstd")
        path = folder / f"{part}.parquet"
        write_whole(path, sink.getvalue(), durable=True)
        return path

    def _days(self, since_s: float | None, until_s: float | None) -> list[Path]:
        """The latest first."""
        folders = {path.name.removeprefix(DAY): path for path in self.root.glob(f"{DAY}*")}
        within = [day for day in folders if is_within(day, since_s, until_s)]
        return [folders[day] for day in sorted(within, reverse=True)]


def dealt(rows: pa.Table, part: str) -> dict[str, pa.Table]:
    """A part's rows by the day they ended, oldest first; `InvalidInput` for a name that is none."""
    if not PART.fullmatch(part):
        raise InvalidInput.of("part", part, PART.pattern)
    ordered = rows.sort_by(ENDED)
    days, firsts = np.unique(ordered[ENDED].to_numpy() // DAY_S, return_index=True)
    edges = pairwise([*firsts.tolist(), ordered.num_rows])
    return {
        day_of(day * DAY_S): ordered.slice(start, stop - start)
        for day, (start, stop) in zip(days.tolist(), edges, strict=True)
    }


def read_days(
    days: Iterable[ReadDay],
    since_s: float | None,
    limit: int | None,
    columns: Sequence[str] | None,
) -> pd.DataFrame:
    """The latest `limit` rows of some days, the latest day first, in the order of their ends."""
    wanted = list(columns or SCHEMA.names)
    read = list(dict.fromkeys([*wanted, ENDED]))
    tables: list[pa.Table] = []
    left = limit
    for day in days:
        tables.insert(0, read_latest(day, since_s, read, left))
        if left is not None:
            left -= tables[0].num_rows
            if left <= 0:
                break
    rows = concatenate(tables).sort_by(ENDED)
    last = rows if limit is None else rows.slice(max(0, rows.num_rows - limit))
    frame: pd.DataFrame = last.select(wanted).to_pandas(types_mapper=NULLABLE.get)
    return frame


def read_latest(
    day: ReadDay, since_s: float | None, columns: Sequence[str], most: int | None
) -> pa.Table:
    """The latest rows of a day, and those of the same moment. It may hold 10^6 for the 20,000 that
    are asked for: of all of them the times alone are read."""
    if most is None:
        return day(since_s, columns)
    times = day(since_s, [ENDED])[ENDED].to_numpy()
    if len(times) > most > 0:
        since_s = float(np.partition(times, -most)[-most])
    return day(since_s, columns)


def read_day(
    folder: Path, since_s: float | None, columns: Sequence[str], until_s: float | None = None
) -> pa.Table:
    """One day's rows. Files that an older program wrote lack columns: they are null."""
    files = sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))
    try:
        parts = ds.dataset([str(path) for path in files], format="parquet", schema=SCHEMA)
        return parts.to_table(columns=list(columns), filter=ended(since_s, until_s))
    except (pa.ArrowInvalid, OSError) as error:
        raise Unavailable(f"the history in {folder} cannot be read: {error}") from error


def ended(since_s: float | None, until_s: float | None) -> pc.Expression | None:
    """At the one time or later, and before the other."""
    first = None if since_s is None else pc.field(ENDED) >= since_s
    last = None if until_s is None else pc.field(ENDED) < until_s
    return last if first is None else first if last is None else first & last


def is_within(day: str, since_s: float | None, until_s: float | None) -> bool:
    """Whether something of the day ended between the two times."""
    begun = since_s is None or day >= day_of(since_s)
    return begun and (until_s is None or day <= day_of(until_s))


def day_of(time_s: float) -> str:
    """The UTC day of a time since the epoch, as in 2026-08-31: in the order of text, too."""
    return datetime.fromtimestamp(time_s, UTC).date().isoformat()
