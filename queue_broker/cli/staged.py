"""A history on its way into the lake: on disk until it is read whole, so that a file that breaks
off brings in nothing, and a million rows take no more memory than a few.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headgate.usage import Observation
from predictor.history import SCHEMA, to_table
from queue_broker.cli.kept import spans
from queue_broker.cli.screen import waiting
from queue_broker.ports import Lake
from training.imports import IDENTITY, identities, unseen

#: Rows that are compared with the lake, and written to it, at once.
AT_ONCE = 50_000
ENDED = "finished_at_s"


class Staged:
    """Rows, put down in any order and taken up in that of their ends."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "rows.parquet"
        self._writer = pq.ParquetWriter(self._file, SCHEMA, compression="zstd")
        self._ends = [np.empty(0)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def put(self, observations: Sequence[Observation]) -> None:
        rows = to_table(observations)
        self._writer.write_table(rows)
        self._ends.append(rows[ENDED].to_numpy())

    def keep(self, lake: Lake) -> int:
        """Write what the lake does not have yet; returns how many. Cut short, it is done again."""
        self._writer.close()
        ends = np.concatenate(self._ends)
        fresh = 0
        with waiting() as bar:
            written = bar.add_task("written", total=len(ends))
            for since_s, until_s in spans(ends, AT_ONCE):
                rows = self._within(since_s, until_s)
                fresh += keep_rows(lake, rows, known(lake, since_s, until_s))
                bar.advance(written, rows.num_rows)
        return fresh

    def _within(self, since_s: float, until_s: float) -> pa.Table:
        """Rows that are the same attempt ended at the same time, and so are here together."""
        ended = pc.field(ENDED)
        return pq.read_table(self._file, filters=(ended >= since_s) & (ended < until_s))


def known(lake: Lake, since_s: float, until_s: float) -> pa.Table:
    told = lake.read(since_s=since_s, columns=IDENTITY, until_s=until_s)
    columns = pa.schema([SCHEMA.field(name) for name in IDENTITY])
    return pa.Table.from_pandas(told, schema=columns, preserve_index=False)


def keep_rows(lake: Lake, rows: pa.Table, already: pa.Table) -> int:
    fresh = unseen(rows, already)
    if fresh.num_rows:
        content = "\n".join(map(repr, identities(fresh)))
        lake.write_rows(fresh, f"import-{hashlib.sha256(content.encode()).hexdigest()[:16]}")
    return int(fresh.num_rows)
