"""Seconds until 10^6 tasks are durable, through the SDK and HTTP, as a grid and as a table.

The table has three parameters a task, and is sent as NDJSON and as Parquet. Beside it, on the same
kind of server: the table's text written by COPY into a plain table, and pgqueuer's batch enqueue of
the same parameters, measured on fewer jobs and taken as a rate. With PATH, a table of your own
(Parquet, NDJSON or CSV) is sent; COPY then writes it as CSV.

Caveats: COPY and the peer are spared HTTP, checks and the second process; the grid is one row.
"""

from __future__ import annotations

import io
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg

import headgate
from benchmarks import peers
from benchmarks.report import Options, Result, main
from benchmarks.stages import POSTGRES, SQLITE, Served, database, served_broker
from headgate.job import Job, Scalar

TEMPLATE = Job(
    name="bench", command=("train", "Ref::seed", "Ref::rate", "Ref::model"), queue="sweep"
)
#: For a table of somebody's own, whose columns are not known.
PLAIN = Job(name="bench", command=("true",), queue="sweep")
REPEATS = 3


def measure(options: Options) -> Iterator[Result]:
    peers.say_missing()
    n = 200_000 if options.quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
        files = tables(options, n, Path(folder))
        table = read(files[0])
        for kind in (POSTGRES, SQLITE):
            with database(kind) as url, served_broker(url) as served:
                yield grid(kind, served)
                bound = copy_seconds(table) if kind == POSTGRES else None
                rate = peer_rate(table.head(n // 20)) if kind == POSTGRES else None
                for file in files:
                    yield from sent(kind, served, file, len(table), bound, rate)


def tables(options: Options, n: int, folder: Path) -> list[Path]:
    """The same rows as NDJSON and as Parquet, or the caller's file alone."""
    if options.path is not None:
        return [options.path]
    random = np.random.default_rng(options.seed)
    models = np.array(["linear", "tree", "forest", "boosted"])
    rows = {
        "seed": np.arange(n),
        "rate": random.uniform(0, 1, n).round(6),
        "model": models[random.integers(0, 4, n)],
    }
    frame = pd.DataFrame(rows)
    frame.to_json(folder / "table.ndjson", orient="records", lines=True)
    frame.to_parquet(folder / "table.parquet")
    return [folder / "table.ndjson", folder / "table.parquet"]


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_json(path, lines=True)


def grid(kind: str, served: Served) -> Result:
    """A grid of 10^6 combinations, the median of a few submissions."""
    axes: dict[str, list[Scalar]] = {
        "seed": list(range(1000)),
        "rate": [at / 250 for at in range(250)],
        "model": ["linear", "tree", "forest", "boosted"],
    }
    seconds = []
    with headgate.Client(served.address) as client:
        client.submit_sweep(TEMPLATE, grid=axes | {"seed": [0]})
        for _ in range(REPEATS):
            start = time.perf_counter()
            client.submit_sweep(TEMPLATE, grid=axes)
            seconds.append(time.perf_counter() - start)
    value = statistics.median(seconds)
    name = f"sweep_submit, {kind}: grid of 10^6"
    return Result(name, value, "s", 1_000_000, sum(seconds), target="<= 0.1")


def sent(
    kind: str, served: Served, file: Path, n: int, bound: float | None, rate: float | None
) -> Iterator[Result]:
    """A table from a file to its durable end, against COPY and against the peer."""
    template = TEMPLATE if set(read(file).columns) >= TEMPLATE.placeholders() else PLAIN
    with headgate.Client(served.address) as client:
        start = time.perf_counter()
        client.submit_sweep(template, table=file)
        seconds = time.perf_counter() - start
    name = f"sweep_submit, {kind}: table as {file.suffix[1:]}"
    if bound is None:
        yield Result(name, seconds, "s", n, seconds)
        return
    ratio = seconds / bound
    yield Result(name, seconds, "s", n, seconds, {"COPY": bound}, ratio, "<= 3")
    if rate is not None:
        mine = n / seconds
        against = {peers.PGQUEUER: rate}
        name += ", rate"
        yield Result(name, mine, "tasks/s", n, seconds, against, mine / rate, ">= 20")


def copy_seconds(table: pd.DataFrame) -> float:
    """Seconds to write the table's text by COPY into a plain table, durable."""
    text = io.BytesIO()
    table.to_csv(text, index=False, header=False)
    columns = ", ".join(f"c{at} text" for at in range(table.shape[1]))
    with database(POSTGRES) as url, psycopg.connect(peers.conninfo(url)) as connection:
        connection.execute(f"CREATE TABLE bound ({columns})")
        connection.commit()
        text.seek(0)
        start = time.perf_counter()
        with connection.cursor().copy("COPY bound FROM STDIN (FORMAT csv)") as copy:
            while piece := text.read(1 << 20):
                copy.write(piece)
        connection.commit()
        return time.perf_counter() - start


def peer_rate(table: pd.DataFrame) -> float | None:
    """Jobs a second that the peer enqueues in batches, the parameters as its payload."""
    if peers.PGQUEUER in peers.missing():
        return None
    lines = table.to_json(orient="records", lines=True).encode().splitlines()
    with database(POSTGRES) as url:
        peers.install_pgqueuer(url)
        return len(lines) / peers.enqueue_pgqueuer(url, lines)


if __name__ == "__main__":
    main(measure, __doc__)
