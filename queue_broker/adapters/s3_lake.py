"""History on S3: the same folders and files as `FolderLake`, read with pyarrow's own S3 client.

    s3://<bucket>/<prefix>/lake/day=2026-08-31/<part>.parquet

An object on S3 is there whole or not at all, so that nothing else is needed for readers to be safe.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from headgate.errors import Unavailable
from headgate.usage import Observation
from predictor.history import SCHEMA, concatenate, pieces
from queue_broker.adapters.lake import DAY, Pace, day_of, dealt, ended, is_within, read_days

#: Parts of a day are merged when there are more; a reader opens each file with a request or two.
MOST_PARTS = 8
#: Only days that are over so long are merged: a part of theirs is not written again.
SETTLED = timedelta(days=2)
MERGED = "merged"
HOLDS = b"headgate.parts"  #: in a merged file's metadata


class S3Lake:
    """`root` is bucket and prefix; `files` pyarrow's file system."""

    def __init__(self, root: str, files: fs.FileSystem, pace: Pace = iter) -> None:
        self.root = root
        self._files = files
        self._pace = pace

    def write(self, observations: Sequence[Observation], part: str) -> None:
        """Keep a part; written again, it replaces what it was in every day. `Unavailable`."""
        self.write_rows(concatenate(self._pace(pieces(observations))), part)

    def write_rows(self, rows: pa.Table, part: str) -> None:
        """The same, of rows in the lake's own columns."""
        by_day = dealt(rows, part)
        try:
            before = {path for path in self._paths("") if path.endswith(f"/{part}.parquet")}
            after = {self._write_day(day, some, part) for day, some in by_day.items()}
            for stale in sorted(before - after):
                self._files.delete_file(stale)
        except OSError as error:
            raise Unavailable(f"the lake {self.root} cannot be written: {error}") from error

    def read(
        self,
        since_s: float | None = None,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
        until_s: float | None = None,
    ) -> pd.DataFrame:
        """As `FolderLake.read`: only the days and columns that are asked for are fetched."""
        days = self._days("" if since_s is None else day_of(since_s))
        within = sorted((day for day in days if is_within(day, since_s, until_s)), reverse=True)
        latest_first = (partial(self._read_day, days[day], until_s=until_s) for day in within)
        return read_days(latest_first, since_s, limit, columns)

    def compact(self, now_s: float) -> int:
        """Merge the parts of settled days into one file each; returns how many days.

        The merged file says which parts it holds, so that parts which a crash left behind are not
        read, or merged, a second time.
        """
        newest = (datetime.fromtimestamp(now_s, UTC) - SETTLED).date().isoformat()
        old = {day: paths for day, paths in self._days("").items() if day <= newest}
        many = {day: paths for day, paths in old.items() if len(paths) > MOST_PARTS}
        for day, paths in sorted(many.items()):
            self._merge(day, paths)
        return len(many)

    def live(self) -> dict[str, int]:
        """The files that hold the history now, each with its size in bytes."""
        paths = [path for day in self._days("").values() for path in self._live(day)]
        return {one.path: one.size for one in self._files.get_file_info(paths)}

    def _merge(self, day: str, paths: Sequence[str]) -> None:
        target = f"{self.root}/{DAY}{day}/{MERGED}.parquet"
        rows = self._read_day(paths, None, SCHEMA.names).sort_by("finished_at_s")
        held = sorted({*self._held(paths), *(name_of(path) for path in paths)} - {MERGED})
        self._put(rows.replace_schema_metadata({HOLDS: json.dumps(held)}), target)
        for path in paths:
            if path != target:
                self._files.delete_file(path)

    def _held(self, paths: Sequence[str]) -> set[str]:
        """The parts that a day's merged file holds already."""
        merged = [path for path in paths if name_of(path) == MERGED]
        if not merged or len(paths) == 1:
            return set()
        with self._files.open_input_file(merged[0]) as file:
            told = pq.read_schema(file).metadata or {}
        return set(json.loads(told.get(HOLDS, b"[]")))

    def _live(self, paths: Sequence[str]) -> list[str]:
        """A day's files without those whose rows the merged one holds."""
        held = self._held(paths)
        return [path for path in paths if name_of(path) not in held]

    def _write_day(self, day: str, rows: pa.Table, part: str) -> str:
        path = f"{self.root}/{DAY}{day}/{part}.parquet"
        self._put(rows, path)
        return path

    def _put(self, rows: pa.Table, path: str) -> None:
        with self._files.open_output_stream(path) as sink:
            pq.write_table(rows, sink, compression="zstd")

    def _days(self, first_day: str) -> dict[str, list[str]]:
        """The files of each day from `first_day` on."""
        days = defaultdict(list)
        for path in sorted(self._paths(first_day)):
            days[path.split(f"/{DAY}")[1].split("/")[0]].append(path)
        return dict(days)

    def _paths(self, first_day: str) -> list[str]:
        """All files of the days from `first_day` on. `Unavailable`."""
        everything = fs.FileSelector(self.root, recursive=True, allow_not_found=True)
        try:
            found = self._files.get_file_info(everything)
        except OSError as error:
            raise Unavailable(f"the lake {self.root} cannot be read: {error}") from error
        return [
            one.path
            for one in found
            if one.path.endswith(".parquet")
            and f"/{DAY}" in one.path
            and one.path.split(f"/{DAY}")[1] >= first_day
        ]

    def _read_day(
        self,
        paths: Sequence[str],
        since_s: float | None,
        columns: Sequence[str],
        until_s: float | None = None,
    ) -> pa.Table:
        try:
            live = self._live(paths)
            parts = ds.dataset(live, format="parquet", schema=SCHEMA, filesystem=self._files)
            return parts.to_table(columns=list(columns), filter=ended(since_s, until_s))
        except (pa.ArrowInvalid, OSError) as error:
            raise Unavailable(f"the history in {paths[0]} cannot be read: {error}") from error


def name_of(path: str) -> str:
    """The part that a file is of."""
    return path.rpartition("/")[2].removesuffix(".parquet")


def s3_files(region: str, endpoint_url: str | None = None, **credentials: str) -> fs.FileSystem:
    """pyarrow's S3 client; credentials are those of the process unless they are given."""
    scheme, _, address = (endpoint_url or "").rpartition("://")
    where = {"endpoint_override": address, "scheme": scheme} if address else {}
    return fs.S3FileSystem(region=region, **where, **credentials)
